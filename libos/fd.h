/* SPDX-License-Identifier: MIT */
/*
 * fd.h - file descriptors: what read(), write(), close(), poll() ... come to.
 *
 * libos has the console as 0, 1 and 2. Whoever else offers descriptors (libnet: sockets) registers
 * an object with its functions. Functions return a negated errno on failure, as system calls do.
 */
#ifndef LIBOS_FD_H
#define LIBOS_FD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FD_MAX 16384

struct iovec;
struct fd_watch; /* what an epoll wants to know of one descriptor: epoll.c */

struct fd_type {
    long (*read)(void *object, void *buffer, size_t length);
    long (*write)(void *object, const void *buffer, size_t length);
    /* readv (or, `out`, writev) as one transfer; NULL: part by part with read or write. */
    long (*vector)(void *object, const struct iovec *part, int count, bool out);
    long (*close)(void *object);
    short (*poll)(void *object, short events); /* which of these hold now (and POLLERR, POLLHUP) */
    long (*ioctl)(void *object, unsigned long request, void *argument); /* NULL: ENOTTY */
    /* O_NONBLOCK alone matters. NULL: it changes nothing, and is not told. */
    long (*set_flags)(void *object, int flags);
    int (*get_flags)(void *object);
    /* Where the object has the list of its watches, which is epoll.c's. NULL: an epoll cannot watch it. */
    struct fd_watch **(*watches)(void *object);
};

/* The lowest free descriptor, or -EMFILE. */
long fd_add(const struct fd_type *type, void *object);

/* The table, and who watches what. Whoever has libnet's lock may take this one, too, but not the other way. */
void fd_lock(void);
void fd_unlock(void);

/* With fd_lock: what is behind a descriptor; NULL: nothing. */
const struct fd_type *fd_type_of(int fd, void **object);

/* The object behind a descriptor of this type, else NULL with *error = -EBADF or -ENOTSOCK. */
void *fd_object(int fd, const struct fd_type *type, long *error);

/* Something about some descriptor changed: poll() looks again. */
void fd_changed(void);

/* --- epoll.c */
/* Some of `edge` (POLLIN ...) holds that did not, or more came of it. Not with fd_lock. */
void fd_edge(struct fd_watch *const *watches, short edge);
void fd_unwatch_all(struct fd_watch **watches); /* with fd_lock: the descriptor is closed */
long epoll_call(long number, long a, long b, long c, long d);

/* Calls that libnet serves, by their Linux numbers; set once at start. NULL: -ENOSYS. */
extern long (*fd_socket_call)(long number, long a, long b, long c, long d, long e, long f);

/* Called before a thread goes to sleep in poll(), so that the network is looked at first. */
extern void (*fd_before_wait)(void);

#endif
