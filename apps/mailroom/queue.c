/* SPDX-License-Identifier: MIT */
/*
 * queue.c - mail-queue: keeps messages. Nobody else has a right to the frames they lie in.
 *
 *   Q1  a message is copied whole before it is looked at, and refused if it is not as it should be
 *   Q2  numbers only grow; a slot is given again when control has removed its message
 *
 * There is no disk: what is kept lives as long as this application.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "gate.h"
#include "libos.h"
#include "protocol.h"
#include "share.h"

#define LOOK_NS     200000000ull
#define SHARE_BYTES (MESSAGE_PAGES * EXO_PAGE_SIZE)

static env_t parser, control_env;
static const struct message *offered; /* the parser's memory */
static struct slot {
    uint64_t number; /* 0: free */
    struct message *message;
} slots[SLOTS];
static uint64_t last_number;

static bool string_ok(const char *text, size_t size)
{
    size_t length = strnlen(text, size);

    for (size_t i = 0; i < length; i++)
        if (text[i] <= ' ' || text[i] > '~')
            return false;
    return length < size;
}

static bool message_ok(const struct message *m)
{
    if (!m->recipients || m->recipients > RECIPIENTS || m->length > TEXT_MAX ||
        !string_ok(m->from, sizeof(m->from)))
        return false;
    for (uint32_t i = 0; i < m->recipients; i++)
        if (!string_ok(m->to[i], sizeof(m->to[i])))
            return false;
    return true;
}

/* The parser waits meanwhile: what is mapped now stays so until the answer. */
static bool is_there(const struct message *m)
{
    for (uint32_t page = 0; m && page < MESSAGE_PAGES; page++)
        if (!vm_mapped((uint64_t)m + page * EXO_PAGE_SIZE))
            return false;
    return m;
}

static void on_store(void *argument, env_t caller, struct exo_words *words)
{
    struct slot *slot = slots;

    (void)argument;
    *words = (struct exo_words){{STORE_BAD}};
    if (caller.n != parser.n || !is_there(offered))
        return;
    while (slot < slots + SLOTS && slot->number)
        slot++;
    if (slot == slots + SLOTS) {
        words->word[0] = STORE_FULL;
        return;
    }
    memcpy(slot->message, offered, sizeof(*slot->message));
    if (!message_ok(slot->message))
        return;
    slot->number = ++last_number;
    *words = (struct exo_words){{STORE_DONE, slot->number}};
    if (control_env.n)
        exo_notify(control_env, 1);
}

static void on_look(void *argument, env_t caller, struct exo_words *words)
{
    uint64_t seen = words->word[0], offset = words->word[1];
    const struct slot *next = NULL;

    (void)argument;
    *words = (struct exo_words){{0}};
    if (caller.n != control_env.n)
        return;
    for (uint32_t i = 0; i < SLOTS; i++)
        if (slots[i].number > seen && (!next || slots[i].number < next->number))
            next = &slots[i];
    if (!next || offset > offsetof(struct message, text) - LOOK_BYTES)
        return;
    words->word[0] = next->number;
    words->word[1] = next->message->length;
    memcpy(&words->word[2], (const char *)next->message + offset, LOOK_BYTES);
}

static void on_remove(void *argument, env_t caller, struct exo_words *words)
{
    uint64_t number = words->word[0];

    (void)argument;
    words->word[0] = 1;
    for (uint32_t i = 0; i < SLOTS && caller.n == control_env.n && number; i++)
        if (slots[i].number == number) {
            memset(slots[i].message, 0, sizeof(*slots[i].message));
            slots[i].number = words->word[0] = 0;
        }
}

static void meet_parser(struct gate_call *call)
{
    uint32_t pages = 0;

    if (offered) /* what it offered before; share_unmap would give back what it offers now */
        munmap((void *)offered, SHARE_BYTES);
    offered = share_map(call->caller, 0, EXO_READ, &pages);
    if (pages != MESSAGE_PAGES)
        offered = NULL;
    call->words.word[0] = offered != NULL;
    gate_answer(&call->words);
}

/* Whoever of the two has started (again) may call from now on. */
static void look_around(gate_t meet, gate_t store, gate_t look, gate_t remove)
{
    env_t now = peer_find(PARSER);

    if (now.n && now.n != parser.n) {
        parser = now;
        gate_allow(store, parser, true);
        gate_allow(meet, parser, true);
    }
    now = peer_find(CONTROL);
    if (now.n && now.n != control_env.n) {
        control_env = now;
        gate_allow(look, control_env, true);
        gate_allow(remove, control_env, true);
    }
}

int main(void)
{
    for (uint32_t i = 0; i < SLOTS; i++)
        if (!(slots[i].message = vm_alloc(MESSAGE_PAGES, EXO_DATA))) {
            puts("mailroom: there is too little memory for the queue; raise `memory`.");
            return 1;
        }
    gate_t meet = {(uint32_t)gate_open(MARK_MEET, NULL, NULL)};
    gate_t store = {(uint32_t)gate_open(MARK_STORE, on_store, NULL)};
    gate_t look = {(uint32_t)gate_open(MARK_LOOK, on_look, NULL)};
    gate_t remove = {(uint32_t)gate_open(MARK_REMOVE, on_remove, NULL)};
    puts("mailroom: the queue is ready");
    fflush(stdout);
    for (;;) {
        look_around(meet, store, look, remove);
        struct gate_call call;
        if (gate_take(&call, LOOK_NS))
            meet_parser(&call);
    }
}
