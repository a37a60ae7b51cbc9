/* SPDX-License-Identifier: MIT */
/*
 * breakin.c - what somebody has who took over the mailroom's front: it runs under that name.
 *
 * It may say lines, as any client of the front may. All else must be refused, and what it says must
 * harm nobody: the others go on.
 */
#include <stdio.h>
#include <string.h>

#include "event.h"
#include "gate.h"
#include "libos.h"
#include "protocol.h"
#include "reply.h"
#include "share.h"

#define TICK 10000000ull

static const char *const others[] = {PARSER, QUEUE, CONTROL};
static env_t peers[3];
static gate_t meet, line;
static char *page;
static unsigned tried, succeeded;

static void must_fail(bool failed, const char *what, uint64_t number)
{
    tried++;
    if (failed)
        return;
    succeeded++;
    printf("break-in: SUCCEEDED: %s %lu\n", what, number);
}

static uint64_t say(uint64_t session, const char *text, uint64_t length, uint64_t flags)
{
    struct exo_words words = {{session, length, flags}};

    strcpy(page, text);
    return gate_call(line, &words, 0) ? REPLY_COUNT : words.word[0];
}

static bool meet_parser(void)
{
    struct exo_words words = {{0}};

    share_take_back(peers[0], 0);
    return !share_offer(peers[0], 0, page, 1, EXO_READ) && !gate_call(meet, &words, 0) &&
           words.word[0];
}

static void find(void)
{
    for (int i = 0; i < 3; i++)
        while (!(peers[i] = peer_find(others[i])).n)
            notify_wait(TICK);
    while (!(meet = gate_find(peers[0], MARK_MEET)).n ||
           !(line = gate_find(peers[0], MARK_LINE)).n || !meet_parser())
        notify_wait(TICK);
}

static void a_message(void)
{
    static const char *const lines[] = {
        "EHLO me", "MAIL FROM:<thief@x>", "RCPT TO:<a@b>", "DATA", "Hello.", "."};
    uint64_t reply = say(0, "", 0, LINE_BEGIN);

    for (unsigned i = 0; i < sizeof(lines) / sizeof(*lines); i++)
        reply = say(0, lines[i], strlen(lines[i]), 0);
    printf("break-in: a message like a client's: %s\n", reply == REPLY_QUEUED ? "queued" : "lost");
}

static void lies(void)
{
    must_fail(say(SESSIONS, "NOOP", 4, 0) == REPLY_LATER, "a session outside", SESSIONS);
    must_fail(say(~0ull, "NOOP", 4, 0) == REPLY_LATER, "a session far outside", ~0ull);
    must_fail(say(1, "NOOP", 4, 0) == REPLY_LATER, "a session that was not begun", 1);
    must_fail(say(0, "NOOP", LINE_MAX + 1, 0) == REPLY_LATER, "too long a line", LINE_MAX + 1);
    must_fail(say(0, "NOOP", ~0ull, 0) == REPLY_LATER, "a line without end", ~0ull);
    share_take_back(peers[0], 0);
    must_fail(say(0, "NOOP", 4, 0) == REPLY_LATER, "a line that is taken back", 0);
    if (!meet_parser())
        puts("break-in: the parser is gone");
}

static void gates(void)
{
    for (int i = 1; i < 3; i++)
        for (uint32_t mark = 0; mark < 8; mark++)
            must_fail(!gate_find(peers[i], mark).n, "a gate of others, by mark", mark);
    for (uint32_t slot = 1; slot <= EXO_GATES; slot++) {
        if (exo_info(EXO_INFO_GATE, slot, EXO_GATE_NAME) == -EXO_E_EMPTY)
            continue;
        for (uint32_t generation = 0; generation < 8; generation++) {
            gate_t guess = {slot + generation * EXO_GATE_SLOTS};
            struct exo_words words = {{0}};
            if (guess.n != meet.n && guess.n != line.n)
                must_fail(gate_call(guess, &words, TICK) < 0, "a gate of others, by number",
                          guess.n);
        }
    }
}

static void memory(void)
{
    int64_t frames = exo_info(EXO_INFO_MACHINE, 0, EXO_MACHINE_FRAMES);
    uint32_t pages, mine = (uint32_t)exo_info(EXO_INFO_ENV, 0, EXO_ENV_SELF_NAME);

    for (int i = 0; i < 3; i++)
        for (uint32_t number = 0; number < SLOTS; number++)
            must_fail(!share_map(peers[i], number, EXO_READ, &pages), "memory of others", number);
    for (uint32_t n = 0; n < frames; n++) {
        if (exo_info(EXO_INFO_FRAME, n, EXO_FRAME_OWNER) == mine)
            continue;
        critical_enter();
        bool shown = vm_window((frame_t){n});
        critical_exit();
        must_fail(!shown, "to map frame", n);
        must_fail(exo_page_free((frame_t){n}) < 0, "to free frame", n);
    }
}

static void control_of_others(void)
{
    for (uint32_t i = 0; i < 3; i++) {
        must_fail(exo_env_kill(peers[i], 0) == -EXO_E_ENV, "to end another", i);
        must_fail(exo_env_reclaim(peers[i]) == -EXO_E_ENV, "to reclaim another", i);
        must_fail(exo_notify(peers[i], 1) == -EXO_E_OWNER, "to notify another", i);
        must_fail(exo_info(EXO_INFO_ENV, peers[i].n, EXO_ENV_STATE) == -EXO_E_ENV,
                  "to know about another", i);
    }
}

int main(void)
{
    page = vm_alloc(1, EXO_DATA);
    find();
    lies();
    gates();
    memory();
    control_of_others();
    a_message();
    printf("break-in: %u tries, %u refused\n", tried, tried - succeeded);
    return succeeded != 0;
}
