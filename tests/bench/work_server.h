/* SPDX-License-Identifier: MIT */
/*
 * work_server.h - a web server whose requests take CPU time: the same code on both systems.
 */
#ifndef BENCH_WORK_SERVER_H
#define BENCH_WORK_SERVER_H

/* GET /N computes N steps and then answers. Prints "bench ready on port N"; does not return. */
void serve_work(unsigned short port);

#endif
