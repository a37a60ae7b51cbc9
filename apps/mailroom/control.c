/* SPDX-License-Identifier: MIT */
/*
 * control.c - mail-control: delivers what the queue holds, by a line in the log.
 *
 * It sees envelopes, a few words at a time, and says when a message may go.
 */
#include <stdio.h>
#include <string.h>

#include "event.h"
#include "gate.h"
#include "libos.h"
#include "protocol.h"
#include "share.h"

#define LOOK_NS 200000000ull

/* A string of the envelope of the message after `seen`; false: there is none, or it has changed. */
static bool envelope(gate_t look, uint64_t seen, uint64_t number, size_t offset, char *to,
                     size_t size)
{
    for (size_t at = 0; at < size; at += LOOK_BYTES) {
        size_t step = MIN(LOOK_BYTES, size - at);
        struct exo_words words = {{seen, offset + at}};
        if (gate_call(look, &words, LOOK_NS) || words.word[0] != number)
            return false;
        memcpy(to + at, &words.word[2], step);
        if (memchr(to + at, '\0', step))
            return true;
    }
    return false;
}

/* Deliver the message after `seen`. Its number, 0 if there is none. */
static uint64_t deliver(gate_t look, gate_t remove, uint64_t seen)
{
    struct exo_words words = {{seen, 0}};
    char from[PATH_MAX_ + 2], to[PATH_MAX_ + 2];
    uint32_t recipients;

    if (gate_call(look, &words, LOOK_NS) || !words.word[0])
        return 0;
    uint64_t number = words.word[0], length = words.word[1];
    memcpy(&recipients, &words.word[2], sizeof(recipients));
    for (uint32_t i = 0; i < MIN(recipients, RECIPIENTS); i++) {
        if (!envelope(look, seen, number, offsetof(struct message, from), from, sizeof(from)) ||
            !envelope(look, seen, number, offsetof(struct message, to[i]), to, sizeof(to)))
            return 0;
        printf("mailroom: message %lu from <%s> to <%s>, %lu bytes\n", number, from, to, length);
    }
    words = (struct exo_words){{number}};
    if (gate_call(remove, &words, LOOK_NS) || words.word[0])
        printf("mailroom: message %lu cannot be removed\n", number);
    fflush(stdout);
    return number;
}

int main(void)
{
    env_t queue = {0};
    uint64_t seen = 0;

    puts("mailroom: control is ready");
    fflush(stdout);
    for (;;) {
        env_t now = peer_find(QUEUE);
        if (now.n && now.n != queue.n) {
            queue = now;
            seen = 0; /* a new queue counts from 1 again */
            exo_notify_allow(queue, 1);
        }
        gate_t look = queue.n ? gate_find(queue, MARK_LOOK) : (gate_t){0};
        gate_t remove = queue.n ? gate_find(queue, MARK_REMOVE) : (gate_t){0};
        uint64_t number;
        while (look.n && remove.n && (number = deliver(look, remove, seen)))
            seen = number;
        notify_wait(LOOK_NS);
    }
}
