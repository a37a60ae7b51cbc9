/* SPDX-License-Identifier: MIT */
/*
 * epoll.c - epoll: who watches which descriptor, and which of these have news.
 *
 *   E1  a watch whose events hold is in the ready list of its epoll, or is disarmed (EPOLLONESHOT), or was
 *       told already (EPOLLET); the list may hold others, which are found out when it is read
 *   E2  a watch is in the list of its object, too, and goes with the descriptor; so epoll_wait() asks those
 *       that are ready, never all that are watched
 *   E3  memory of an epoll is never given to anything but another one: a thread that comes too late finds
 *       `open` false
 *
 * All of it under fd_lock(). An object changes its readiness first and then looks for who watches it
 * (fd_edge); who begins to watch does so first and then asks whether it is ready. One of both sees the other.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/syscall.h>

#include "fd.h"
#include "libos.h"

#define EVENTS_MAX (1 << 20)
#define ALWAYS     ((uint32_t)(EPOLLERR | EPOLLHUP)) /* told unasked */

enum { FUTEX_WAIT = 0, FUTEX_WAKE = 1 };

struct link {
    struct link *before, *after;
};

struct fd_watch {
    struct link ready; /* first: in its epoll's list, or alone */
    struct link all;
    struct fd_watch *next; /* of the same object; in the free list */
    struct epoll *epoll;
    const struct fd_type *type;
    void *object;
    uint32_t events;
    bool armed;
    epoll_data_t data;
};

struct epoll {
    bool open;
    uint32_t users;    /* threads in epoll_wait() */
    uint32_t sleepers; /* of these, asleep on `word` */
    uint32_t word;     /* changes when a sleeper has to look */
    struct link ready; /* watches, in the order in which they became so */
    uint32_t ready_count;
    struct link all;
    struct epoll *next; /* free list */
};

static struct epoll *free_epolls;
static struct fd_watch *free_watches;

/* --- lists ------------------------------------------------------------------------------------ */

static void link_alone(struct link *l)
{
    l->before = l->after = l;
}

static bool is_alone(const struct link *l)
{
    return l->after == l;
}

static void link_last(struct link *list, struct link *l)
{
    l->before = list->before;
    l->after = list;
    list->before->after = l;
    list->before = l;
}

static void link_out(struct link *l)
{
    l->before->after = l->after;
    l->after->before = l->before;
    link_alone(l);
}

static void make_ready(struct fd_watch *w)
{
    struct epoll *ep = w->epoll;

    if (!is_alone(&w->ready))
        return;
    link_last(&ep->ready, &w->ready);
    ep->ready_count++;
    if (ep->sleepers) {
        ep->word++;
        futex_call(&ep->word, FUTEX_WAKE, 1, 0, false, 0);
    }
}

static void make_unready(struct fd_watch *w)
{
    if (is_alone(&w->ready))
        return;
    link_out(&w->ready);
    w->epoll->ready_count--;
}

/* --- watches ------------------------------------------------------------------------------------ */

/* What its epoll may tell of it now. */
static uint32_t holding(const struct fd_watch *w)
{
    if (!w->armed)
        return 0;
    return (uint16_t)w->type->poll(w->object, (short)w->events) & (w->events | ALWAYS);
}

void fd_edge(struct fd_watch *const *watches, short edge)
{
    fd_lock();
    for (struct fd_watch *w = *watches; w; w = w->next)
        if (w->armed && (uint16_t)edge & (w->events | ALWAYS))
            make_ready(w);
    fd_unlock();
}

static struct fd_watch *find(struct fd_watch *of_object, const struct epoll *ep)
{
    while (of_object && of_object->epoll != ep)
        of_object = of_object->next;
    return of_object;
}

/* It is in no list of its object any more. */
static void release(struct fd_watch *w)
{
    make_unready(w);
    link_out(&w->all);
    w->next = free_watches;
    free_watches = w;
}

static void unwatch(struct fd_watch *w)
{
    struct fd_watch **place = w->type->watches(w->object);

    while (*place != w)
        place = &(*place)->next;
    *place = w->next;
    release(w);
}

void fd_unwatch_all(struct fd_watch **watches)
{
    struct fd_watch *w;

    while ((w = *watches)) {
        *watches = w->next;
        release(w);
    }
}

/* Also after EPOLLONESHOT: whatever holds is news. */
static void arm(struct fd_watch *w, const struct epoll_event *event)
{
    w->events = event->events;
    w->data = event->data;
    w->armed = true;
    if (holding(w))
        make_ready(w);
    else
        make_unready(w);
}

static long add(struct epoll *ep, const struct fd_type *type, void *object,
                const struct epoll_event *event)
{
    struct fd_watch **list = type->watches(object), *w = free_watches;

    if (w)
        free_watches = w->next;
    else
        w = malloc(sizeof(*w));
    if (!w)
        return -ENOMEM;
    *w = (struct fd_watch){.epoll = ep, .type = type, .object = object, .next = *list};
    link_alone(&w->ready);
    link_last(&ep->all, &w->all);
    __atomic_store_n(list, w, __ATOMIC_SEQ_CST); /* then it is asked: see above */
    arm(w, event);
    return 0;
}

/* --- an epoll as a descriptor ------------------------------------------------------------------- */

static long no_read(void *object, void *buffer, size_t length)
{
    (void)object, (void)buffer, (void)length;
    return -EINVAL;
}

static long no_write(void *object, const void *buffer, size_t length)
{
    (void)object, (void)buffer, (void)length;
    return -EINVAL;
}

static void release_epoll(struct epoll *ep)
{
    ep->next = free_epolls;
    free_epolls = ep;
}

static long close_epoll(void *object)
{
    struct epoll *ep = object;

    fd_lock();
    ep->open = false;
    while (!is_alone(&ep->all))
        unwatch((struct fd_watch *)((char *)ep->all.after - offsetof(struct fd_watch, all)));
    ep->word++;
    futex_call(&ep->word, FUTEX_WAKE, INT32_MAX, 0, false, 0);
    if (!ep->users) /* else the last of them */
        release_epoll(ep);
    fd_unlock();
    return 0;
}

/* For poll(): is there anything that epoll_wait() would tell? Those of which nothing holds leave the list. */
static short poll_epoll(void *object, short events)
{
    struct epoll *ep = object;
    bool found = false;

    fd_lock();
    while (ep->open && !found && !is_alone(&ep->ready)) {
        struct fd_watch *w = (struct fd_watch *)ep->ready.after;
        found = holding(w);
        if (!found)
            make_unready(w);
    }
    fd_unlock();
    return found ? events & (POLLIN | POLLRDNORM) : 0;
}

static const struct fd_type epoll_type = {
    .read = no_read,
    .write = no_write,
    .close = close_epoll,
    .poll = poll_epoll,
};

/* --- calls --------------------------------------------------------------------------------------- */

static struct epoll *of_fd(long fd, long *error)
{
    struct epoll *ep = fd_object((int)fd, &epoll_type, error);

    if (!ep && *error == -ENOTSOCK)
        *error = -EINVAL;
    return ep;
}

static long create(long flags)
{
    if (flags & ~EPOLL_CLOEXEC)
        return -EINVAL;
    fd_lock();
    struct epoll *ep = free_epolls;
    if (ep)
        free_epolls = ep->next;
    fd_unlock();
    if (!ep)
        ep = calloc(1, sizeof(*ep));
    if (!ep)
        return -ENOMEM;
    *ep = (struct epoll){.open = true, .word = ep->word};
    link_alone(&ep->ready);
    link_alone(&ep->all);
    long fd = fd_add(&epoll_type, ep);
    if (fd < 0) {
        fd_lock();
        release_epoll(ep);
        fd_unlock();
    }
    return fd;
}

static long control_locked(long epoll_fd, long operation, long fd, const struct epoll_event *event)
{
    long error;
    void *object;
    const struct fd_type *type = fd_type_of((int)fd, &object);
    struct epoll *ep = of_fd(epoll_fd, &error);

    if (!type)
        return -EBADF;
    if (!ep)
        return error;
    if (!type->watches)
        return -EPERM; /* another epoll */
    struct fd_watch *w = find(*type->watches(object), ep);
    switch (operation) {
    case EPOLL_CTL_ADD:
        return w ? -EEXIST : add(ep, type, object, event);
    case EPOLL_CTL_MOD:
        if (w)
            arm(w, event);
        break;
    case EPOLL_CTL_DEL:
        if (w)
            unwatch(w);
        break;
    default:
        return -EINVAL;
    }
    return w ? 0 : -ENOENT;
}

/* What is told stays in the list, behind those that were not looked at: it may still hold. */
static long collect(struct epoll *ep, struct epoll_event *events, long most)
{
    long count = 0;

    for (uint32_t left = ep->ready_count; left && count < most; left--) {
        struct fd_watch *w = (struct fd_watch *)ep->ready.after;
        uint32_t now = holding(w);
        make_unready(w);
        if (!now)
            continue;
        events[count++] = (struct epoll_event){.events = now, .data = w->data};
        w->armed = !(w->events & EPOLLONESHOT);
        if (w->armed && !(w->events & EPOLLET)) {
            link_last(&ep->ready, &w->ready);
            ep->ready_count++;
        }
    }
    return count;
}

/* `timeout_ns` < 0: for ever. */
static long wait_for_events(long fd, struct epoll_event *events, long most, int64_t timeout_ns)
{
    uint64_t end = timeout_ns > 0 ? time_ns() + (uint64_t)timeout_ns : 0;
    bool slept = false;
    long result;

    if (most <= 0 || most > EVENTS_MAX)
        return -EINVAL;
    fd_lock();
    struct epoll *ep = of_fd(fd, &result);
    if (ep)
        ep->users++;
    fd_unlock();
    while (ep) {
        if (fd_before_wait)
            fd_before_wait();
        uint64_t now = end ? time_ns() : 0;
        fd_lock();
        ep->sleepers -= slept;
        result = ep->open ? collect(ep, events, most) : -EBADF;
        bool done = result || timeout_ns == 0 || (end && now >= end);
        slept = !done;
        ep->sleepers += slept;
        uint32_t seen = ep->word;
        ep->users -= done;
        if (done && !ep->open && !ep->users)
            release_epoll(ep);
        fd_unlock();
        if (done)
            break;
        futex_call(&ep->word, FUTEX_WAIT, seen, end - now, end != 0, 0);
    }
    return result;
}

static int64_t ns_of_ms(long ms)
{
    return (int)ms < 0 ? -1 : (int)ms * 1000000ll;
}

long epoll_call(long n, long a, long b, long c, long d)
{
    const struct timespec *t = (const struct timespec *)d;

    switch (n) {
    case SYS_epoll_create:
        return a > 0 ? create(0) : -EINVAL;
    case SYS_epoll_create1:
        return create(a);
    case SYS_epoll_ctl:
        fd_lock();
        long result = control_locked(a, b, c, (const struct epoll_event *)d);
        fd_unlock();
        return result;
    case SYS_epoll_pwait2:
        return wait_for_events(a, (struct epoll_event *)b, c,
                               t ? t->tv_sec * 1000000000ll + t->tv_nsec : -1);
    default: /* SYS_epoll_wait, SYS_epoll_pwait: there are no signals to mask */
        return wait_for_events(a, (struct epoll_event *)b, c, ns_of_ms(d));
    }
}
