/* SPDX-License-Identifier: MIT */
/*
 * file.c - descriptors of bytes in memory (file.h).
 *
 * Memory of one is never given to anything but another: a thread that comes too late reads another's bytes, as
 * with a descriptor that was used again. Two threads that read one at once may read the same.
 */
#include "file.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fd.h"

#define SEND_MOST 0x7ffff000u /* by one sendfile(), as on Linux */

struct file {
    const char *bytes;
    size_t length, at; /* `at` may lie behind the end */
    struct file *next; /* free list, under fd_lock */
};

static struct file *free_files;

static size_t left(const struct file *f, size_t at, size_t wanted)
{
    size_t rest = at < f->length ? f->length - at : 0;

    return wanted < rest ? wanted : rest;
}

static long read_file(void *object, void *buffer, size_t length)
{
    struct file *f = object;
    size_t count = left(f, f->at, length);

    memcpy(buffer, f->bytes + (count ? f->at : 0), count);
    f->at += count;
    return (long)count;
}

static long no_write(void *object, const void *buffer, size_t length)
{
    (void)object, (void)buffer, (void)length;
    return -EBADF; /* not open for it */
}

static void release(struct file *f)
{
    fd_lock();
    f->next = free_files;
    free_files = f;
    fd_unlock();
}

static long close_file(void *object)
{
    release(object);
    return 0;
}

static short poll_file(void *object, short events)
{
    (void)object;
    return events & (POLLIN | POLLRDNORM);
}

static const struct fd_type file_type = {
    .read = read_file,
    .write = no_write,
    .close = close_file,
    .poll = poll_file,
};

int file_open(const void *bytes, size_t length)
{
    fd_lock();
    struct file *f = free_files;
    if (f)
        free_files = f->next;
    fd_unlock();
    if (!f)
        f = malloc(sizeof(*f));
    if (!f)
        return -ENOMEM;
    *f = (struct file){.bytes = bytes, .length = length};
    long fd = fd_add(&file_type, f);
    if (fd < 0)
        release(f);
    return (int)fd;
}

static struct file *of_fd(long fd)
{
    long error;

    return fd_object((int)fd, &file_type, &error);
}

static long seek(struct file *f, int64_t offset, long whence)
{
    int64_t from = whence == SEEK_SET   ? 0
                   : whence == SEEK_CUR ? (int64_t)f->at
                                        : (int64_t)f->length,
            to;

    if (whence != SEEK_SET && whence != SEEK_CUR && whence != SEEK_END)
        return -EINVAL;
    if (__builtin_add_overflow(from, offset, &to) || to < 0)
        return -EINVAL;
    f->at = (size_t)to;
    return to;
}

/* With `offset` from there on, and it is moved; else from where the descriptor is, which is. */
static long send_file(long out, struct file *f, int64_t *offset, size_t count)
{
    void *object;
    const struct fd_type *type = fd_type_of((int)out, &object);

    if (!type)
        return -EBADF;
    if (offset && *offset < 0)
        return -EINVAL;
    size_t at = offset ? (size_t)*offset : f->at;
    size_t wanted = left(f, at, count < SEND_MOST ? count : SEND_MOST);
    if (!wanted)
        return 0;
    long sent = type->write(object, f->bytes + at, wanted);
    if (sent > 0 && offset)
        *offset += sent;
    else if (sent > 0)
        f->at = at + (size_t)sent;
    return sent;
}

static long read_at(const struct file *f, void *buffer, size_t length, int64_t offset)
{
    if (offset < 0)
        return -EINVAL;
    size_t count = left(f, (size_t)offset, length);
    memcpy(buffer, f->bytes + (count ? offset : 0), count);
    return (long)count;
}

bool file_call(long n, long a, long b, long c, long d, long *result)
{
    struct file *f = of_fd(n == SYS_sendfile ? b : a);

    if (!f)
        return false;
    if (n == SYS_sendfile)
        *result = send_file(a, f, (int64_t *)c, (size_t)d);
    else if (n == SYS_lseek)
        *result = seek(f, b, c);
    else
        *result = read_at(f, (void *)b, (size_t)c, d);
    return true;
}

bool file_stat(long fd, struct stat *st)
{
    const struct file *f = of_fd(fd);

    if (!f)
        return false;
    st->st_mode = S_IFREG | 0444;
    st->st_size = (off_t)f->length;
    return true;
}
