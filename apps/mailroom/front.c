/* SPDX-License-Identifier: MIT */
/*
 * front.c - mail-front: takes connections on port 25 and cuts what comes into lines.
 *
 * The part that the network reaches, and so the one that may be taken over: what it has then is its
 * own connections and one gate, through which it can say lines, as any client can.
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gate.h"
#include "libos.h"
#include "protocol.h"
#include "reply.h"
#include "share.h"

#define PORT       25
#define PATIENCE   2000000000ull  /* ns, for the parser's answer */
#define LOOK_MS    200            /* how often it looks for a parser while there is none */
#define IDLE_NS    60000000000ull /* who is silent for longer makes place for somebody new */
#define REPLY_SIZE 128

static const char *const texts[REPLY_COUNT] = {
#define X(name, text) text,
    REPLIES(X)
#undef X
};

static struct connection {
    int fd; /* -1: none */
    char bytes[LINE_MAX];
    size_t have;
    bool skipping;  /* the rest of a line that is too long */
    uint64_t since; /* when it last said something, ns */
} connections[SESSIONS];

static char *page; /* of ours; the parser reads lines in it */
static env_t parser;
static gate_t line_gate;

/* Find the parser and show it the page. */
static void meet(void)
{
    struct exo_words words = {{0}};

    parser = peer_find(PARSER);
    if (!parser.n)
        return;
    gate_t door = gate_find(parser, MARK_MEET), line = gate_find(parser, MARK_LINE);
    if (!door.n || !line.n)
        return;
    share_take_back(parser, 0);
    if (!share_offer(parser, 0, page, 1, EXO_READ) && !gate_call(door, &words, PATIENCE) &&
        words.word[0])
        line_gate = line;
}

static void hang_up(struct connection *c)
{
    close(c->fd);
    c->fd = -1;
}

/* Lines are short and clients read answers: one that lets its window fill up is cut off. */
static void answer(struct connection *c, enum reply reply, uint64_t number)
{
    char text[REPLY_SIZE + 64];
    int length = snprintf(text, sizeof(text) - 2, texts[reply], (unsigned)number);

    memcpy(text + length, "\r\n", 2);
    if (send(c->fd, text, (size_t)length + 2, MSG_NOSIGNAL | MSG_DONTWAIT) != length + 2 ||
        reply == REPLY_BYE || reply == REPLY_LATER || reply == REPLY_BUSY)
        hang_up(c);
}

/* The parser does not answer: everybody is told to come again. */
static void part(void)
{
    line_gate.n = 0;
    for (uint32_t i = 0; i < SESSIONS; i++)
        if (connections[i].fd >= 0)
            answer(&connections[i], REPLY_LATER, 0);
}

static void say(struct connection *c, const char *line, size_t length, uint64_t flags)
{
    struct exo_words words = {{(uint64_t)(c - connections), length, flags}};

    memcpy(page, line, length);
    if (!line_gate.n || gate_call(line_gate, &words, PATIENCE) || words.word[0] >= REPLY_COUNT)
        part();
    else if (words.word[0] != REPLY_NONE)
        answer(c, (enum reply)words.word[0], words.word[1]);
}

/* All whole lines of what is there, and the beginning of one that has no end in sight. */
static void lines(struct connection *c)
{
    size_t at = 0;

    for (size_t i = 0; c->fd >= 0 && i + 1 < c->have; i++) {
        if (c->bytes[i] != '\r' || c->bytes[i + 1] != '\n')
            continue;
        if (!c->skipping)
            say(c, c->bytes + at, i - at, 0);
        c->skipping = false;
        at = i + 2;
        i++;
    }
    if (c->fd >= 0 && !at && c->have == sizeof(c->bytes)) {
        if (!c->skipping)
            say(c, c->bytes, c->have - 1, LINE_CUT);
        c->skipping = true;
        at = c->have - 1; /* the last byte may be the CR of its end */
    }
    c->have -= at;
    memmove(c->bytes, c->bytes + at, c->have);
}

static void receive(struct connection *c)
{
    ssize_t size = recv(c->fd, c->bytes + c->have, sizeof(c->bytes) - c->have, MSG_DONTWAIT);

    if (size <= 0) {
        if (!size || errno != EAGAIN)
            hang_up(c);
        return;
    }
    c->have += (size_t)size;
    c->since = time_ns();
    lines(c);
}

/* A place for a connection; NULL: all are in use. */
static struct connection *place(void)
{
    struct connection *oldest = connections;

    for (struct connection *c = connections; c < connections + SESSIONS; c++) {
        if (c->fd < 0)
            return c;
        if (c->since < oldest->since)
            oldest = c;
    }
    if (time_ns() - oldest->since < IDLE_NS)
        return NULL;
    answer(oldest, REPLY_LATER, 0);
    return oldest;
}

static void accept_one(int listener)
{
    struct connection spare = {.fd = accept(listener, NULL, NULL)};
    struct connection *c = spare.fd < 0 ? NULL : place();

    if (!c) {
        if (spare.fd >= 0)
            answer(&spare, REPLY_BUSY, 0);
        return;
    }
    c->fd = spare.fd;
    c->have = 0;
    c->skipping = false;
    c->since = time_ns();
    if (!line_gate.n)
        meet();
    say(c, "", 0, LINE_BEGIN);
}

static int listen_here(void)
{
    const struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0 || bind(fd, (const struct sockaddr *)&any, sizeof(any)) || listen(fd, SESSIONS)) {
        perror("mailroom: port 25 cannot be opened");
        exit(1);
    }
    return fd;
}

int main(void)
{
    struct pollfd fds[SESSIONS + 1] = {{.fd = listen_here(), .events = POLLIN}};

    for (uint32_t i = 0; i < SESSIONS; i++)
        connections[i].fd = -1;
    if (!(page = vm_alloc(1, EXO_DATA))) {
        puts("mailroom: there is too little memory for the front; raise `memory`.");
        return 1;
    }
    while (meet(), !line_gate.n)
        usleep(1000 * LOOK_MS);
    puts("mailroom: listening on port 25");
    fflush(stdout);
    for (;;) {
        for (uint32_t i = 0; i < SESSIONS; i++)
            fds[i + 1] = (struct pollfd){.fd = connections[i].fd, .events = POLLIN};
        poll(fds, SESSIONS + 1, -1);
        for (uint32_t i = 0; i < SESSIONS; i++)
            if (connections[i].fd >= 0 && fds[i + 1].revents)
                receive(&connections[i]);
        if (fds[0].revents)
            accept_one(fds[0].fd);
    }
}
