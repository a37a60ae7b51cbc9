/* SPDX-License-Identifier: MIT */
/*
 * heap.h - comes before each file of musl's allocator. What reads the words beside a block, and may
 * meet anything there, lies in a section of its own, so that libos/crash.c can tell a fault of it;
 * and where a check finds something broken libos says so, instead of an instruction that an
 * application may not use.
 */
#include <stddef.h>

#define HEAP_CODE __attribute__((section("heap_code")))

HEAP_CODE void __libc_free(void *);
HEAP_CODE void *__libc_realloc(void *, size_t);
HEAP_CODE size_t malloc_usable_size(void *);
struct meta;
HEAP_CODE static inline struct meta *get_meta(const unsigned char *);
HEAP_CODE static inline size_t get_nominal_size(const unsigned char *, const unsigned char *);

_Noreturn void libos_heap_corrupt(void);

#include "atomic.h"
#undef a_crash
#define a_crash() libos_heap_corrupt()
