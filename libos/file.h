/* SPDX-License-Identifier: MIT */
/*
 * file.h - descriptors of bytes in memory, such as files that are packed into the program.
 *
 * read() readv() pread() lseek() fstat() poll() close(), and sendfile() from one: what is constant in the image goes
 * to a TCP socket without a copy (docs/design/network.md). They are read-only.
 */
#ifndef LIBOS_FILE_H
#define LIBOS_FILE_H

#include <stdbool.h>
#include <stddef.h>

struct stat;

/* A descriptor of these bytes, at the first of them. They must stay while it is open. -EMFILE or -ENOMEM. */
int file_open(const void *bytes, size_t length);

/* For fd.c. False, and -ENOSYS or nothing: it is not such a descriptor. */
bool file_call(long number, long a, long b, long c, long d, long *result);
bool file_stat(long fd, struct stat *st);

#endif
