/* SPDX-License-Identifier: MIT */
/*
 * cheetah: the files and pages of httpd, by a server that has nothing between it and TCP.
 *
 * There is no loop here, no socket and no descriptor: lwIP calls back when a packet has brought a
 * request, and the answer leaves in the same round (libnet/raw.h). main() sleeps for ever.
 *
 * Settings come from the environment:
 *   CHEETAH_PORT       TCP port                                  80
 *   CHEETAH_CLIENTS    at the same time                          1024, at most 16384
 *   CHEETAH_IDLE_S     an idle connection is closed after        15
 *   CHEETAH_REQUEST_S  a request must have arrived within        10
 *   CHEETAH_SEND_S     its answer must have been taken within    10, and a second more for each KiB
 * A thousand clients take some 400 KiB; `memory` and FREEHOLD_NET_MEMORY limit them, too.
 */
#include <poll.h>
#include <stdio.h>

#include "cheetah.h"
#include "libnet.h"
#include "setting.h"

int main(void)
{
    const struct client_settings settings = {
        .port = setting("cheetah", "CHEETAH_PORT", 80, 1, 65535),
        .clients = setting("cheetah", "CHEETAH_CLIENTS", 1024, 1, 16384),
        .idle_s = setting("cheetah", "CHEETAH_IDLE_S", 15, 1, 3600),
        .request_s = setting("cheetah", "CHEETAH_REQUEST_S", 10, 1, 3600),
        .send_s = setting("cheetah", "CHEETAH_SEND_S", 10, 1, 3600),
    };
    static struct net_stats network;

    net_stats(&network);
    if (!network.up) {
        fprintf(stderr, "cheetah: no network (does the machine description give this application "
                        "an address?)\n");
        return 1;
    }
    facts_network = net_stats_entered;
    net_enter();
    bool listens = client_listen(&settings);
    net_leave();
    if (!listens)
        return 1;
    printf("cheetah: listening on port %u, %u connections at most\n", settings.port,
           settings.clients);
    fflush(stdout);
    for (;;)
        poll(NULL, 0, -1);
}
