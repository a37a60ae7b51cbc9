/* SPDX-License-Identifier: MIT */
/*
 * linux_server.c - the server of the network's bench as all of a Linux guest's user space.
 *
 * usage: /init ADDRESS/BITS GATEWAY
 */
#include "linux_net.h"
#include "net_server.h"

int main(int argc, char **argv)
{
    if (argc < 3) /* firmware adds a word that is for the kernel */
        fail("/init ADDRESS/BITS GATEWAY");
    net_up(argv[1], argv[2]);
    serve();
}
