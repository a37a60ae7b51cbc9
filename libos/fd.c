/* SPDX-License-Identifier: MIT */
/*
 * fd.c - the table of file descriptors, and the calls that work on any of them.
 */
#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "file.h"
#include "libos.h"

#define VECTOR_MAX 1024 /* IOV_MAX of Linux */

/* The table grows by so many when they are all in use. */
#define CHUNK 64

static struct descriptor {
    const struct fd_type *type;
    void *object;
} first[CHUNK], *chunks[FD_MAX / CHUNK] = {first};
static int lowest; /* none below it is free */

static uint32_t changes;
static uint32_t waiting; /* threads in poll() */
long (*fd_socket_call)(long number, long a, long b, long c, long d, long e, long f);
void (*fd_before_wait)(void);

/* --- the console -------------------------------------------------------------------------- */

static long console_fd_read(void *object, void *buffer, size_t length)
{
    (void)object, (void)buffer, (void)length;
    return 0; /* nobody types: end of file */
}

static long console_fd_write(void *object, const void *buffer, size_t length)
{
    (void)object;
    console_write(buffer, length);
    return (long)length;
}

static long console_fd_close(void *object)
{
    (void)object;
    return 0;
}

static short console_fd_poll(void *object, short events)
{
    (void)object;
    return events & (POLLIN | POLLOUT);
}

/* A terminal of unknown size: stdio then writes each line when it ends. */
static long console_fd_ioctl(void *object, unsigned long request, void *argument)
{
    (void)object;
    if (request != TIOCGWINSZ)
        return -ENOTTY;
    memset(argument, 0, sizeof(struct winsize));
    return 0;
}

static struct fd_watch **console_fd_watches(void *object)
{
    return object;
}

static const struct fd_type console_type = {
    .read = console_fd_read,
    .write = console_fd_write,
    .close = console_fd_close,
    .poll = console_fd_poll,
    .ioctl = console_fd_ioctl,
    .watches = console_fd_watches,
};

__attribute__((constructor)) static void open_console(void)
{
    static struct fd_watch *watches[3]; /* its readiness never changes, but an epoll may ask */

    for (int fd = 0; fd < 3; fd++)
        first[fd] = (struct descriptor){&console_type, &watches[fd]};
}

/* --- the table ------------------------------------------------------------------------------ */

/* 0: free, 1: held, 2: held, and somebody may wait, as net_lock (libnet/net.c). */
static uint32_t lock;

void fd_lock(void)
{
    uint32_t was = 0;

    if (__atomic_compare_exchange_n(&lock, &was, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        return;
    while (__atomic_exchange_n(&lock, 2, __ATOMIC_ACQUIRE) != 0)
        futex_call(&lock, 0, 2, 0, false, 0);
}

void fd_unlock(void)
{
    if (__atomic_exchange_n(&lock, 0, __ATOMIC_RELEASE) == 2)
        futex_call(&lock, 1, 1, 0, false, 0);
}

static struct descriptor *at(long fd)
{
    struct descriptor *chunk = fd >= 0 && fd < FD_MAX ? chunks[fd / CHUNK] : NULL;

    return chunk ? &chunk[fd % CHUNK] : NULL;
}

static bool have_chunk(int fd)
{
    struct descriptor **chunk = &chunks[fd / CHUNK];

    if (!*chunk)
        *chunk = calloc(CHUNK, sizeof(struct descriptor));
    return *chunk;
}

long fd_add(const struct fd_type *type, void *object)
{
    long result = -EMFILE;

    fd_lock();
    for (int fd = lowest; fd < FD_MAX && have_chunk(fd); fd++) {
        struct descriptor *d = at(fd);
        if (d->type)
            continue;
        d->object = object;
        __atomic_store_n(&d->type, type, __ATOMIC_RELEASE); /* others read it without the lock */
        lowest = fd + 1;
        result = fd;
        break;
    }
    fd_unlock();
    return result;
}

static const struct fd_type *type_of(long fd)
{
    const struct descriptor *d = at(fd);

    return d ? d->type : NULL;
}

const struct fd_type *fd_type_of(int fd, void **object)
{
    const struct descriptor *d = at(fd);

    *object = d ? d->object : NULL;
    return d ? d->type : NULL;
}

void *fd_object(int fd, const struct fd_type *type, long *error)
{
    const struct fd_type *found = type_of(fd);

    if (found == type && found)
        return at(fd)->object;
    *error = found ? -ENOTSOCK : -EBADF;
    return NULL;
}

static long fd_close(long fd)
{
    void *object;

    fd_lock();
    const struct fd_type *type = fd_type_of((int)fd, &object);
    if (type) {
        at(fd)->type = NULL; /* two threads that close it at once: one does */
        if (fd < lowest)
            lowest = (int)fd;
        if (type->watches)
            fd_unwatch_all(type->watches(object));
    }
    fd_unlock();
    if (!type)
        return -EBADF;
    long result = type->close(object);
    fd_changed();
    return result;
}

/* --- poll ------------------------------------------------------------------------------------ */

void fd_changed(void)
{
    __atomic_add_fetch(&changes, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&waiting, __ATOMIC_SEQ_CST))
        futex_call(&changes, 1, INT32_MAX, 0, false, 0);
}

static long poll_once(struct pollfd *fds, unsigned long count)
{
    long found = 0;

    for (unsigned long i = 0; i < count; i++) {
        const struct fd_type *type = type_of(fds[i].fd);
        fds[i].revents = 0;
        if (fds[i].fd < 0)
            continue;
        if (!type)
            fds[i].revents = POLLNVAL;
        else
            fds[i].revents = type->poll(at(fds[i].fd)->object, fds[i].events);
        found += fds[i].revents != 0;
    }
    return found;
}

/* `timeout_ns` < 0: for ever. */
static long fd_poll(struct pollfd *fds, unsigned long count, int64_t timeout_ns)
{
    uint64_t end = timeout_ns < 0 ? 0 : time_ns() + (uint64_t)timeout_ns;

    for (;;) {
        if (fd_before_wait)
            fd_before_wait();
        uint32_t seen = __atomic_load_n(&changes, __ATOMIC_SEQ_CST);
        long found = poll_once(fds, count);
        uint64_t now = end ? time_ns() : 0;
        if (found || timeout_ns == 0 || (end && now >= end))
            return found;
        /* Counted before the futex compares: fd_changed() changes the word, then looks here. */
        __atomic_add_fetch(&waiting, 1, __ATOMIC_SEQ_CST);
        futex_call(&changes, 0, seen, end - now, end != 0, 0);
        __atomic_sub_fetch(&waiting, 1, __ATOMIC_SEQ_CST);
    }
}

/* --- calls -------------------------------------------------------------------------------------
 */

static long vector_call(long fd, const struct iovec *v, long count, bool write)
{
    const struct fd_type *type = type_of(fd);
    long total = 0;

    if (count < 0 || count > VECTOR_MAX)
        return -EINVAL;
    if (type->vector)
        return type->vector(at(fd)->object, v, (int)count, write);
    for (long i = 0; i < count; i++) {
        if (!v[i].iov_len)
            continue;
        long done = write ? type->write(at(fd)->object, v[i].iov_base, v[i].iov_len)
                          : type->read(at(fd)->object, v[i].iov_base, v[i].iov_len);
        if (done < 0)
            return total ? total : done;
        total += done;
        if ((size_t)done < v[i].iov_len)
            break;
    }
    return total;
}

static long fcntl_call(long fd, long command, long argument)
{
    const struct fd_type *type = type_of(fd);

    switch (command) {
    case F_GETFL:
        return (type->get_flags ? type->get_flags(at(fd)->object) : 0) | O_RDWR;
    case F_SETFL:
        return type->set_flags ? type->set_flags(at(fd)->object, (int)argument) : 0;
    case F_GETFD:
    case F_SETFD:
        return 0; /* there is no exec that could care */
    default:
        return -EINVAL;
    }
}

static long fstat_call(long fd, struct stat *st)
{
    memset(st, 0, sizeof(*st));
    if (!file_stat(fd, st))
        st->st_mode = type_of(fd) == &console_type ? S_IFCHR | 0600 : S_IFSOCK | 0600;
    st->st_blksize = EXO_PAGE_SIZE;
    return 0;
}

static int64_t ns_of(const struct timespec *t)
{
    return t ? t->tv_sec * 1000000000ll + t->tv_nsec : -1;
}

long fd_call(long n, long a, long b, long c, long d, long e, long f, bool *known)
{
    *known = true;
    switch (n) {
    case SYS_poll:
        return fd_poll((struct pollfd *)a, (unsigned long)b, (int)c < 0 ? -1 : (int)c * 1000000ll);
    case SYS_ppoll:
        return fd_poll((struct pollfd *)a, (unsigned long)b, ns_of((const struct timespec *)c));
    case SYS_epoll_create:
    case SYS_epoll_create1:
    case SYS_epoll_ctl:
    case SYS_epoll_wait:
    case SYS_epoll_pwait:
    case SYS_epoll_pwait2:
        return epoll_call(n, a, b, c, d);
    case SYS_open:
    case SYS_openat:
        return -ENOENT; /* there are no files */
    }
    if (n >= SYS_socket && n <= SYS_getsockopt)
        return fd_socket_call ? fd_socket_call(n, a, b, c, d, e, f) : -EAFNOSUPPORT;
    if (n == SYS_accept4)
        return fd_socket_call ? fd_socket_call(n, a, b, c, d, e, f) : -EAFNOSUPPORT;
    switch (n) {
    case SYS_read:
    case SYS_write:
    case SYS_readv:
    case SYS_writev:
    case SYS_close:
    case SYS_ioctl:
    case SYS_fcntl:
    case SYS_fstat:
    case SYS_lseek:
    case SYS_pread64:
    case SYS_sendfile:
        break;
    default:
        *known = false;
        return -ENOSYS;
    }
    const struct fd_type *type = type_of(a);
    if (!type)
        return -EBADF;
    void *object = at(a)->object;
    long result;
    switch (n) {
    case SYS_read:
        return type->read(object, (void *)b, (size_t)c);
    case SYS_write:
        return type->write(object, (const void *)b, (size_t)c);
    case SYS_readv:
        return vector_call(a, (const struct iovec *)b, c, false);
    case SYS_writev:
        return vector_call(a, (const struct iovec *)b, c, true);
    case SYS_close:
        return fd_close(a);
    case SYS_ioctl:
        return type->ioctl ? type->ioctl(object, (unsigned long)b, (void *)c) : -ENOTTY;
    case SYS_fcntl:
        return fcntl_call(a, b, c);
    case SYS_fstat:
        return fstat_call(a, (struct stat *)b);
    default: /* SYS_lseek, SYS_pread64, SYS_sendfile: none but a file knows where it is */
        return file_call(n, a, b, c, d, &result) ? result : n == SYS_sendfile ? -EINVAL : -ESPIPE;
    }
}
