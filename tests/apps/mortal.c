/* SPDX-License-Identifier: MIT */
/*
 * mortal.c - tells each TCP connection to port 7 how long it lives, and dies of the word "die".
 */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "event.h"

static volatile uintptr_t page_0 = 8; /* the compiler must not know */

int main(void)
{
    const struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(7)};
    int server = socket(AF_INET, SOCK_STREAM, 0);

    if (bind(server, (const struct sockaddr *)&any, sizeof(any)) || listen(server, 8))
        return 1;
    printf("answers on port 7\n");
    for (;;) {
        char text[64];
        int client = accept(server, NULL, NULL);
        ssize_t length = recv(client, text, sizeof(text), 0);
        if (length >= 3 && !memcmp(text, "die", 3))
            *(volatile int *)page_0 = 1;
        length = snprintf(text, sizeof(text), "alive for %lu ms\n", time_ns() / 1000000);
        send(client, text, (size_t)length, 0);
        close(client);
    }
}
