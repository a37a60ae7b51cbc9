/* SPDX-License-Identifier: MIT */
/*
 * linux_server.c - the servers of the network's bench as all of a Linux guest's user space: ours, and iperf3.
 *
 * usage: /init ADDRESS/BITS GATEWAY
 */
#include <unistd.h>

#include "linux_net.h"
#include "net_server.h"

#define IPERF "/usr/bin/iperf3"

/* It says itself when it listens. */
static void start_iperf(void)
{
    if (fork() == 0) {
        execl(IPERF, "iperf3", "-s", "--forceflush", NULL);
        fail(IPERF);
    }
}

int main(int argc, char **argv)
{
    if (argc < 3) /* firmware adds a word that is for the kernel */
        fail("/init ADDRESS/BITS GATEWAY");
    net_up(argv[1], argv[2]);
    start_iperf();
    serve();
}
