/* SPDX-License-Identifier: MIT */
/*
 * linux_net.h - the network of a Linux guest whose first process has to bring it up itself.
 */
#ifndef BENCH_LINUX_NET_H
#define BENCH_LINUX_NET_H

/* Loads the modules of /modules in the order of their names, mounts /dev, and gives eth0 an
 * address, as in "10.0.2.15/24", and a gateway. Ends the machine with a sentence if it cannot. */
void net_up(const char *address, const char *gateway);

/* As perror(), and turns the machine off. */
_Noreturn void fail(const char *what);

#endif
