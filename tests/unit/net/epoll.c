/* SPDX-License-Identifier: MIT */
/* epoll.c - epoll over objects of the test's own, against poll(), and over sockets. */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "../tap.h"
#include "libnet.h"
#include "net.h"
#include "peer.h"
#include "sockets.h"
#include "world.h"

#define MS     1000000ull
#define MANY   1000
#define EVENTS 64

static struct epoll_event events[EVENTS];
static uint8_t buffer[5000];

static long create(void)
{
    return world_call(SYS_epoll_create1, EPOLL_CLOEXEC, 0, 0, 0);
}

static long control(long ep, int operation, long fd, uint32_t wanted)
{
    struct epoll_event event = {.events = wanted, .data.u64 = 1000000 + (uint64_t)fd};

    return world_call(SYS_epoll_ctl, ep, operation, fd, (long)&event);
}

static long wait_ms(long ep, long ms)
{
    return world_call(SYS_epoll_wait, ep, (long)events, EVENTS, ms);
}

/* The only event there is, of `fd`; 0: there is none; UINT32_MAX: others. */
static uint32_t only(long ep, long fd)
{
    long count = wait_ms(ep, 0);

    if (count == 0)
        return 0;
    return count == 1 && events[0].data.u64 == 1000000 + (uint64_t)fd ? events[0].events
                                                                      : UINT32_MAX;
}

/* --- objects ------------------------------------------------------------------------------------ */

static struct object {
    short ready;
    struct fd_watch *watches;
    unsigned told; /* a model of EPOLLET: edges since it was reported */
} objects[MANY];
static long fds[MANY];
static unsigned asked;

static short object_poll(void *object, short wanted)
{
    asked++;
    return ((struct object *)object)->ready & (wanted | POLLERR | POLLHUP);
}

static long object_close(void *object)
{
    (void)object;
    return 0;
}

static struct fd_watch **object_watches(void *object)
{
    return &((struct object *)object)->watches;
}

static const struct fd_type type = {
    .close = object_close, .poll = object_poll, .watches = object_watches};

/* As socket.c does it: `again`, if more came of what held. */
static void set(struct object *o, short ready, short again)
{
    short edge = (short)(ready & (~o->ready | again));

    o->ready = ready;
    if (edge)
        fd_edge(&o->watches, edge);
}

static void test_calls(void)
{
    long ep = create(), other = create(), fd = fds[0];

    tap_ok(ep >= 3 && other > ep, "epolls are descriptors");
    tap_ok(control(ep, EPOLL_CTL_ADD, fd, EPOLLIN) == 0 &&
               control(ep, EPOLL_CTL_ADD, fd, EPOLLIN) == -EEXIST,
           "a descriptor is added once");
    tap_ok(control(ep, EPOLL_CTL_MOD, fds[1], EPOLLIN) == -ENOENT &&
               control(ep, EPOLL_CTL_DEL, fds[1], 0) == -ENOENT && control(ep, 9, fd, 0) == -EINVAL,
           "what was not added cannot be changed");
    tap_ok(control(ep, EPOLL_CTL_ADD, 9999, EPOLLIN) == -EBADF &&
               control(9999, EPOLL_CTL_ADD, fd, 1) == -EBADF &&
               control(fd, EPOLL_CTL_ADD, fds[1], 1) == -EINVAL &&
               control(ep, EPOLL_CTL_ADD, other, 1) == -EPERM,
           "what is no descriptor, no epoll, or another epoll is refused");
    tap_ok(world_call(SYS_epoll_wait, ep, (long)events, 0, 0) == -EINVAL &&
               wait_ms(fd, 0) == -EINVAL && world_call(SYS_epoll_create, 0, 0, 0, 0) == -EINVAL &&
               world_call(SYS_epoll_create1, 1, 0, 0, 0) == -EINVAL,
           "and so is nonsense");
    uint64_t start = world_now;
    tap_ok(wait_ms(ep, 20) == 0 && world_now - start >= 20 * MS && world_now - start < 30 * MS,
           "a wait ends after its time");
    tap_ok(control(ep, EPOLL_CTL_ADD, 1, EPOLLIN | EPOLLOUT) == 0 &&
               only(ep, 1) == (EPOLLIN | EPOLLOUT),
           "the console is always ready");
    world_close((int)other);
    world_close((int)ep);
    tap_ok(wait_ms(ep, 0) == -EBADF && objects[0].watches == NULL,
           "a closed epoll watches nothing");
}

static void test_triggers(void)
{
    long ep = create(), fd = fds[0];
    struct object *o = &objects[0];

    control(ep, EPOLL_CTL_ADD, fd, EPOLLIN);
    set(o, POLLOUT, 0);
    tap_ok(only(ep, fd) == 0, "what is not wanted is not told");
    set(o, POLLIN | POLLOUT, 0);
    tap_ok(only(ep, fd) == EPOLLIN && only(ep, fd) == EPOLLIN,
           "level: it is told as long as it holds");
    set(o, 0, 0);
    tap_ok(only(ep, fd) == 0, "and not longer");
    set(o, POLLHUP | POLLERR, 0);
    tap_ok(only(ep, fd) == (EPOLLHUP | EPOLLERR), "an error is told unasked");
    set(o, POLLIN, 0);
    tap_ok(control(ep, EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLET) == 0 && only(ep, fd) == EPOLLIN &&
               only(ep, fd) == 0,
           "edge: it is told once");
    set(o, POLLIN, POLLIN);
    tap_ok(only(ep, fd) == EPOLLIN && only(ep, fd) == 0, "and once more when more comes");
    set(o, POLLIN | POLLOUT, 0);
    tap_ok(only(ep, fd) == 0, "but not for what is not wanted");
    control(ep, EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLONESHOT);
    tap_ok(only(ep, fd) == EPOLLIN, "oneshot: it is told");
    set(o, POLLIN, POLLIN);
    set(o, POLLIN | POLLHUP, 0);
    tap_ok(only(ep, fd) == 0, "then never again");
    tap_ok(control(ep, EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLONESHOT) == 0 &&
               only(ep, fd) == (EPOLLIN | EPOLLHUP),
           "until it is armed anew");
    control(ep, EPOLL_CTL_MOD, fd, EPOLLIN);
    struct pollfd p = {.fd = (int)ep, .events = POLLIN | POLLOUT};
    tap_ok(world_call(SYS_poll, (long)&p, 1, 0, 0) == 1 && p.revents == POLLIN,
           "poll() sees an epoll with news");
    set(o, 0, 0);
    tap_ok(world_call(SYS_poll, (long)&p, 1, 0, 0) == 0, "and one without");
    set(o, POLLIN, 0);
    tap_ok(control(ep, EPOLL_CTL_DEL, fd, 0) == 0 && only(ep, fd) == 0 && o->watches == NULL,
           "removed");
    control(ep, EPOLL_CTL_ADD, fd, EPOLLIN);
    world_close((int)fd);
    tap_ok(only(ep, fd) == 0 && o->watches == NULL, "a closed descriptor is not watched");
    set(o, 0, 0);
    fds[0] = fd_add(&type, o);
    world_close((int)ep);
}

/* What epoll_wait() tells is what poll() tells, whatever happens; and with EPOLLET, what has had an edge. */
static void test_random(uint32_t flags)
{
    enum { SOME = 40 };
    static const uint32_t wants[] = {EPOLLIN, EPOLLOUT, EPOLLIN | EPOLLOUT, EPOLLRDHUP | EPOLLIN,
                                     0};
    uint32_t wanted[SOME] = {0};
    bool watched[SOME] = {false};
    unsigned wrong = 0, told = 0;
    long ep = create();

    for (unsigned round = 0; round < 100000; round++) {
        uint64_t dice = tap_random() >> 20;
        unsigned i = dice % SOME, what = dice >> 8 & 7;
        struct object *o = &objects[i];
        if (what < 4) {
            short ready = (short)(dice >> 12 & (POLLIN | POLLOUT | POLLRDHUP | POLLHUP)),
                  again = what ? 0 : POLLIN;
            short edge = (short)(ready & (~o->ready | again));
            o->told |= edge & (wanted[i] | POLLHUP) && watched[i];
            set(o, ready, again);
        } else if (what < 6) {
            wanted[i] = wants[(dice >> 12) % 5];
            wrong += control(ep, watched[i] ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fds[i],
                             wanted[i] | flags) != 0;
            watched[i] = true;
            o->told = 1;
        } else if (what == 6 && watched[i]) {
            wrong += control(ep, EPOLL_CTL_DEL, fds[i], 0) != 0;
            watched[i] = false;
            o->told = 0;
        } else {
            unsigned due = 0, right = 0;
            for (unsigned j = 0; j < SOME; j++)
                due += watched[j] && (!flags || objects[j].told) &&
                       objects[j].ready & (wanted[j] | POLLHUP);
            long count = wait_ms(ep, 0);
            for (long k = 0; k < count; k++)
                for (unsigned j = 0; j < SOME; j++)
                    right +=
                        events[k].data.u64 == 1000000 + (uint64_t)fds[j] && watched[j] &&
                        events[k].events == (uint32_t)(objects[j].ready & (wanted[j] | POLLHUP));
            wrong += count != (long)due || right != due;
            told += due;
            for (unsigned j = 0; j < SOME; j++)
                objects[j].told = flags ? 0 : objects[j].told;
        }
    }
    tap_ok(wrong == 0 && told > 1000, "%s: it tells what it should, %u times (%u wrong)",
           flags ? "edge" : "level", told, wrong);
    world_close((int)ep);
    for (unsigned j = 0; j < SOME; j++)
        objects[j] = (struct object){0};
}

static void test_many(void)
{
    long ep = create();
    uint64_t seen[2] = {0, 0};

    for (unsigned i = 0; i < MANY; i++)
        control(ep, EPOLL_CTL_ADD, fds[i], EPOLLIN);
    asked = 0;
    set(&objects[500], POLLIN, 0);
    for (int i = 0; i < 10; i++)
        wait_ms(ep, 0);
    tap_ok(asked == 10, "of %d that are watched, one that is ready is asked (%u times in 10 waits)",
           MANY, asked);
    set(&objects[7], POLLIN, 0);
    for (int i = 0; i < 100; i++) {
        world_call(SYS_epoll_wait, ep, (long)events, 1, 0);
        seen[events[0].data.u64 == 1000000 + (uint64_t)fds[7]]++;
    }
    tap_ok(seen[0] == 50 && seen[1] == 50, "who has no room for all is told of each in turn");
    world_close((int)ep);
    tap_ok(objects[500].watches == NULL && objects[7].watches == NULL,
           "nothing is watched after the end");
    set(&objects[500], 0, 0);
    set(&objects[7], 0, 0);
}

/* --- asleep --------------------------------------------------------------------------------------- */

static long closing;

static void close_it(void)
{
    if (closing >= 0)
        world_close((int)closing);
    closing = -1;
}

static void test_sockets(void)
{
    static struct peer_tcp t;
    long ep = create(), listener = t_socket(SOCK_STREAM | SOCK_NONBLOCK);

    t_bind(listener, 0, 80);
    t_listen(listener, 8);
    control(ep, EPOLL_CTL_ADD, listener, EPOLLIN);
    peer_tcp_open(&t, 4000, 80);
    tap_ok(wait_ms(ep, 1000) == 1 && events[0].data.u64 == 1000000 + (uint64_t)listener,
           "a wait ends when a client comes");
    long fd = t_accept(listener, NULL, SOCK_NONBLOCK);
    tap_ok(only(ep, listener) == 0, "and is accepted");
    control(ep, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
    tap_ok(only(ep, fd) == EPOLLOUT && only(ep, fd) == 0,
           "a fresh connection is writable, which is told once");
    peer_tcp_send(&t, buffer, 10);
    tap_ok(wait_ms(ep, 1000) == 1 && events[0].events == (EPOLLIN | EPOLLOUT), "bytes come");
    peer_tcp_send(&t, buffer, 10);
    tap_ok(wait_ms(ep, 1000) == 1 && only(ep, fd) == 0,
           "more come, though the first were not read");
    t_recv(fd, buffer, 100, 0);
    t_send(fd, buffer, 10, 0);
    peer_run();
    tap_ok(only(ep, fd) == 0, "reading and writing is no news");
    t.silent = true;
    while (t_send(fd, buffer, sizeof(buffer), 0) > 0)
        ;
    tap_ok(only(ep, fd) == 0, "nor is a full queue");
    t.silent = false;
    peer_tcp_flags(&t, ACK);
    tap_ok(wait_ms(ep, 5000) == 1 && events[0].events == EPOLLOUT, "room in it is");
    peer_tcp_flags(&t, FIN | ACK);
    tap_ok(wait_ms(ep, 5000) == 1 && events[0].events == (EPOLLIN | EPOLLOUT | EPOLLRDHUP),
           "the end is");
    peer_tcp_flags(&t, RST | ACK);
    tap_ok(wait_ms(ep, 5000) == 1 && events[0].events & EPOLLERR && events[0].events & EPOLLHUP,
           "a reset is");
    world_close((int)fd);
    world_close((int)listener);

    long udp = t_socket(SOCK_DGRAM);
    t_bind(udp, 0, 7);
    control(ep, EPOLL_CTL_ADD, udp, EPOLLIN | EPOLLET);
    for (int i = 0; i < 2; i++) {
        peer_udp(900, 7, buffer, 10);
        tap_ok(wait_ms(ep, 1000) == 1 && only(ep, udp) == 0, "a datagram is news, read or not");
    }
    world_close((int)udp);
    void (*step)(void) = world_step;
    world_step = close_it;
    closing = ep;
    tap_ok(wait_ms(ep, 1000) == -EBADF, "a wait ends when its epoll is closed meanwhile");
    world_step = step;
    peer_tcp_forget(&t);
}

int main(void)
{
    struct net_stats stats;

    tap_ok(world_started(), "the network starts");
    peer_start();
    for (unsigned i = 0; i < MANY; i++)
        fds[i] = fd_add(&type, &objects[i]);
    test_calls();
    test_triggers();
    test_random(0);
    test_random(EPOLLET);
    test_many();
    test_sockets();
    world_pass(200000 * MS);
    net_stats(&stats);
    tap_ok(stats.sockets == 0 && stats.tcp_active == 0 && peer_bad_frames == 0,
           "nothing is left behind");
    return tap_done();
}
