/* SPDX-License-Identifier: MIT */
/* bench_work - the server of the bench of two CPUs (tests/bench/work_server.c) as an application. */
#include "work_server.h"

int main(void)
{
    serve_work(80);
}
