/* SPDX-License-Identifier: MIT */
/*
 * client.c - clients come and go: lwIP's callbacks, deadlines, and who has to leave when room is short.
 *
 * C1 to C3: cheetah.h.
 */
#include "cheetah.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "facts.h"
#include "lwip/timeouts.h"

#define AT_ONCE    32u /* clients made at a time */
#define POLL       2u  /* lwIP's unit is half a second */
#define LINGER_S   2u
#define LINGER_MAX (1024u * 1024)
#define PACE       1024u /* bytes a second: who takes less is too slow */

struct client_settings client_settings;
struct facts client_counts;

static struct client **chunks; /* of AT_ONCE each */
static unsigned made;
static struct client *free_clients;
static uint32_t now; /* seconds since the start */

const struct facts *client_facts(void)
{
    facts_get(&client_counts);
    return &client_counts;
}

/* --- life -------------------------------------------------------------------------------------- */

static void make_some(void)
{
    struct client *chunk = calloc(AT_ONCE, sizeof(*chunk));

    if (!chunk)
        return;
    chunks[made / AT_ONCE] = chunk;
    made += AT_ONCE;
    for (unsigned i = AT_ONCE; i-- > 0;) {
        chunk[i].next = free_clients;
        free_clients = &chunk[i];
    }
}

/* The pcb is lwIP's from here on, or gone. */
static void release(struct client *c)
{
    if (c->in)
        pbuf_free(c->in);
    *c = (struct client){.next = free_clients};
    free_clients = c;
    client_counts.connections--;
}

/* ERR_ABRT tells lwIP that the pcb is no more. */
static err_t drop(struct client *c)
{
    struct tcp_pcb *pcb = c->pcb;

    net_forsake(pcb);
    release(c);
    tcp_abort(pcb);
    return ERR_ABRT;
}

static err_t leave(struct client *c)
{
    struct tcp_pcb *pcb = c->pcb;

    net_forsake(pcb);
    release(c);
    if (tcp_close(pcb) == ERR_OK)
        return ERR_OK;
    tcp_abort(pcb);
    return ERR_ABRT;
}

static void until(struct client *c, enum exchange_wait wait, uint32_t seconds)
{
    c->wait = wait;
    c->since = now;
    c->deadline = now + seconds;
}

/* Who has waited longest, `but` excepted: of those that hold input, or of the idle. Not the one whose
 * deadline is nearest: a client that asked for much and does not read would outlast one that asked for
 * little. */
static struct client *victim(const struct client *but, bool holds_input)
{
    struct client *found = NULL;

    for (unsigned i = 0; i < made; i++) {
        struct client *c = &chunks[i / AT_ONCE][i % AT_ONCE];
        bool fits = holds_input ? c->in != NULL : c->wait == WAIT_IDLE || c->wait == WAIT_LINGER;
        if (c->pcb && c != but && fits && (!found || c->since < found->since))
            found = c;
    }
    return found;
}

static bool evict(struct client *c)
{
    if (!c)
        return false;
    client_counts.evicted++;
    if (c->wait == WAIT_IDLE)
        leave(c);
    else
        drop(c);
    return true;
}

/* --- after an event ---------------------------------------------------------------------------- */

/*
 * The connection ends after its last answer. If the client may still be sending, to close would answer
 * that with a reset, and the reset might overtake the answer: so half of it is closed first (RFC 9112,
 * 9.6).
 */
static err_t finish(struct client *c)
{
    if (!c->exchange.linger || c->ended || tcp_shutdown(c->pcb, 0, 1) != ERR_OK)
        return leave(c);
    until(c, WAIT_LINGER, LINGER_S);
    return ERR_OK;
}

/*
 * A buffer of the ring would be held for as long as the client takes for the rest of its request: what
 * is kept is kept in as much memory as it needs. False: there is none.
 */
static bool keep(struct client *c)
{
    struct pbuf *in = c->in, *copy = pbuf_alloc(PBUF_RAW, in->tot_len, PBUF_RAM);

    while (!copy && evict(victim(c, true)))
        copy = pbuf_alloc(PBUF_RAW, in->tot_len, PBUF_RAM);
    if (!copy)
        return false;
    pbuf_copy(copy, in);
    pbuf_free(in);
    c->in = copy;
    return true;
}

/* What is awaited, and until when. */
static err_t settle(struct client *c, bool fresh)
{
    enum exchange_wait before = c->wait;

    if (serve_stuck(c)) {
        if (before != WAIT_SEND || fresh)
            until(c, WAIT_SEND, client_settings.send_s + (uint32_t)(c->rest.length / PACE));
        return ERR_OK;
    }
    if (c->closing || c->ended)
        return finish(c);
    if (!c->in && !c->exchange.reading_body) {
        until(c, WAIT_IDLE, client_settings.idle_s);
        return ERR_OK;
    }
    if (before != WAIT_REQUEST || fresh)
        until(c, WAIT_REQUEST, client_settings.request_s);
    return !c->in || keep(c) ? ERR_OK : drop(c);
}

static err_t go_on(struct client *c)
{
    uint64_t before = client_counts.requests;

    serve(c);
    return settle(c, client_counts.requests != before);
}

/* --- lwIP's callbacks --------------------------------------------------------------------------- */

static void throw_away(struct client *c, struct pbuf *p)
{
    c->lingered += p->tot_len;
    tcp_recved(c->pcb, p->tot_len);
    pbuf_free(p);
}

/* Bytes, or with p == NULL the end of them. */
static err_t received(void *argument, struct tcp_pcb *pcb, struct pbuf *p, err_t error)
{
    struct client *c = argument;

    (void)error;
    if (!p) {
        c->ended = true;
        /* Both sides have ended; in these states lwIP frees the pcb and tells nobody. */
        if (c->wait == WAIT_LINGER || pcb->state == TIME_WAIT || pcb->state == CLOSING)
            return leave(c);
        return settle(c, false);
    }
    if (c->wait == WAIT_LINGER) {
        throw_away(c, p);
        return c->lingered > LINGER_MAX ? drop(c) : ERR_OK;
    }
    if (c->in && c->in->tot_len + p->tot_len > 0xffff)
        return ERR_MEM; /* a chain counts in 16 bits: lwIP keeps it and asks again */
    if (c->in)
        pbuf_cat(c->in, p);
    else
        c->in = p;
    return serve_stuck(c) ? ERR_OK : go_on(c);
}

/* The client has taken some. */
static err_t sent(void *argument, struct tcp_pcb *pcb, u16_t length)
{
    struct client *c = argument;

    (void)pcb, (void)length;
    return serve_stuck(c) ? go_on(c) : ERR_OK;
}

/* Once a second. */
static err_t polled(void *argument, struct tcp_pcb *pcb)
{
    struct client *c = argument;

    if (now < c->deadline)
        return serve_stuck(c) ? sent(c, pcb, 0) : ERR_OK; /* memory may be there again */
    switch (c->wait) {
    case WAIT_IDLE:
        return pcb->unacked ? drop(c) : leave(c);
    case WAIT_REQUEST: /* a client that was sending is told; one that was idle is not */
        serve_late(c);
        return settle(c, true);
    default:
        return drop(c);
    }
}

/* The connection is gone and lwIP frees the pcb. */
static void failed(void *argument, err_t error)
{
    (void)error;
    release(argument);
}

static err_t arrived(void *argument, struct tcp_pcb *pcb, err_t error)
{
    (void)argument;
    if (!pcb || error != ERR_OK)
        return ERR_VAL;
    if (client_counts.connections == client_settings.clients)
        evict(victim(NULL, false));
    if (!free_clients && made < client_settings.clients)
        make_some();
    struct client *c = free_clients;
    if (!c || client_counts.connections == client_settings.clients)
        return ERR_MEM; /* lwIP resets the connection */
    free_clients = c->next;
    *c = (struct client){.pcb = pcb};
    until(c, WAIT_IDLE, client_settings.idle_s);
    /* An answer goes out in one piece; waiting for more to send with it would only delay it. */
    tcp_nagle_disable(pcb);
    tcp_arg(pcb, c);
    tcp_recv(pcb, received);
    tcp_sent(pcb, sent);
    tcp_err(pcb, failed);
    tcp_poll(pcb, polled, POLL);
    client_counts.connections++;
    client_counts.accepted++;
    return ERR_OK;
}

/* --- time, and the start ------------------------------------------------------------------------ */

static void tick(void *unused)
{
    (void)unused;
    now++;
    ready_tick((uint64_t)time(NULL));
    sys_timeout(1000, tick, NULL);
}

bool client_listen(const struct client_settings *settings)
{
    client_settings = *settings;
    client_counts.connections_max = settings->clients;
    chunks = calloc((settings->clients + AT_ONCE - 1) / AT_ONCE, sizeof(struct client *));
    struct tcp_pcb *pcb = tcp_new(), *listener = NULL;
    err_t error = pcb && chunks && ready_open() ? ERR_OK : ERR_MEM;

    if (error == ERR_OK)
        error = tcp_bind(pcb, IP_ANY_TYPE, (u16_t)settings->port);
    if (error == ERR_OK)
        listener = tcp_listen_with_backlog_and_err(pcb, UINT8_MAX, &error);
    if (!listener) {
        fprintf(stderr, "cheetah: cannot listen on port %u: %s\n", settings->port,
                error == ERR_USE ? "it is in use"
                                 : "memory is out; raise `memory` in the machine description");
        return false;
    }
    tcp_accept(listener, arrived);
    tick(NULL);
    return true;
}
