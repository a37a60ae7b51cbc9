/* SPDX-License-Identifier: MIT */
/*
 * parser.c - mail-parser: makes messages of lines. It has no network and no storage.
 *
 * What a line says is decided here and nowhere else. A client that finds a mistake in this program
 * has its lines, and the right to ask the queue to store one message more: no message of others that
 * was stored, no socket.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "gate.h"
#include "libos.h"
#include "protocol.h"
#include "session.h"
#include "share.h"

#define LOOK_NS 200000000ull /* how often it looks for who has started again */

static env_t front, queue; /* whom it works with now */
static const char *lines;  /* the front's page, 0 until it was met */
static gate_t meet, line, store;
static struct message *messages[SESSIONS];
static struct message *outbox; /* the one that the queue may read */
static struct session sessions[SESSIONS];

/* Hand a whole message to the queue. */
static enum reply deliver(const struct message *m, uint64_t *number)
{
    struct exo_words words = {{0}};

    memcpy(outbox, m, offsetof(struct message, text) + m->length);
    if (!store.n || gate_call(store, &words, 0))
        return REPLY_LATER;
    *number = words.word[1];
    return words.word[0] == STORE_DONE ? REPLY_QUEUED : REPLY_FULL;
}

/* In the upcall: the front, which waits for the answer, has a line in its page. */
static void on_line(void *argument, env_t caller, struct exo_words *words)
{
    static char copy[LINE_MAX];
    uint64_t session = words->word[0], length = words->word[1], flags = words->word[2], number = 0;

    (void)argument;
    *words = (struct exo_words){{REPLY_LATER}};
    if (caller.n != front.n || !lines || session >= SESSIONS || length > LINE_MAX ||
        !vm_mapped((uint64_t)lines)) /* it may have taken its page back before the call */
        return;
    struct session *s = &sessions[session];
    if (flags & LINE_BEGIN) {
        session_begin(s, messages[session]);
        words->word[0] = REPLY_READY;
        return;
    }
    if (!s->message || flags & LINE_END)
        return;
    memcpy(copy, lines, length);
    bool complete;
    enum reply reply = session_line(s, copy, length, flags & LINE_CUT, &complete);
    if (complete) {
        reply = deliver(s->message, &number);
        s->message->recipients = s->message->length = 0;
    }
    *words = (struct exo_words){{reply, number}};
}

/* The queue may have started (again): offer it what messages are written in. */
static void meet_queue(void)
{
    env_t now = peer_find(QUEUE);
    gate_t door = now.n ? gate_find(now, MARK_MEET) : (gate_t){0};
    gate_t wanted = now.n ? gate_find(now, MARK_STORE) : (gate_t){0};

    if (!wanted.n || !door.n || (now.n == queue.n && store.n))
        return;
    store.n = 0;
    queue = now;
    struct exo_words words = {{0}};
    share_take_back(queue, 0);
    if (!share_offer(queue, 0, outbox, MESSAGE_PAGES, EXO_READ) && !gate_call(door, &words, 0) &&
        words.word[0])
        store = wanted;
}

static void meet_front(struct gate_call *call)
{
    uint32_t pages;

    if (lines) /* what it offered before; share_unmap would give back what it offers now */
        munmap((void *)lines, EXO_PAGE_SIZE);
    memset(sessions, 0, sizeof(sessions));
    lines = share_map(call->caller, 0, EXO_READ, &pages);
    call->words.word[0] = lines != NULL && store.n;
    gate_answer(&call->words);
}

int main(void)
{
    bool enough = (outbox = vm_alloc(MESSAGE_PAGES, EXO_DATA));
    for (uint32_t i = 0; i < SESSIONS; i++)
        enough &= (messages[i] = vm_alloc(MESSAGE_PAGES, EXO_DATA)) != NULL;
    if (!enough) {
        puts("mailroom: there is too little memory for messages; raise `memory`.");
        return 1;
    }
    meet.n = (uint32_t)gate_open(MARK_MEET, NULL, NULL);
    line.n = (uint32_t)gate_open(MARK_LINE, on_line, NULL);
    puts("mailroom: the parser is ready");
    fflush(stdout);
    for (;;) {
        env_t now = peer_find(FRONT);
        if (now.n && now.n != front.n) {
            front = now;
            gate_allow(meet, front, true);
            gate_allow(line, front, true);
        }
        meet_queue();
        struct gate_call call;
        if (gate_take(&call, LOOK_NS))
            meet_front(&call);
    }
}
