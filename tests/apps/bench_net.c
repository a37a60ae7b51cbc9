/* SPDX-License-Identifier: MIT */
/* bench_net - the server of the network's bench (tests/bench/net_server.c) as an application. */
#include "net_server.h"

int main(void)
{
    serve();
}
