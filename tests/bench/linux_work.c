/* SPDX-License-Identifier: MIT */
/*
 * linux_work.c - two servers of the bench of two CPUs, a process each, as all of a Linux guest's user space.
 *
 * usage: /init ADDRESS/BITS GATEWAY
 */
#include <unistd.h>

#include "linux_net.h"
#include "work_server.h"

int main(int argc, char **argv)
{
    if (argc < 3) /* firmware adds a word that is for the kernel */
        fail("/init ADDRESS/BITS GATEWAY");
    net_up(argv[1], argv[2]);
    serve_work(fork() ? 80 : 81);
}
