/* SPDX-License-Identifier: MIT */
/*
 * target.h - what a fuzz target is: one function that takes any bytes.
 *
 * libFuzzer calls it with inputs that it invents (tools/freehold fuzz), replay.c with those of
 * corpus/. Each file defines its own; whatever is wrong ends the program.
 */
#ifndef TESTS_FUZZ_TARGET_H
#define TESTS_FUZZ_TARGET_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* The name that libFuzzer looks for (LLVM, "libFuzzer", section "Fuzz Target"). */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* What must hold, whatever the bytes. */
#define MUST(holds, ...)                                                                           \
    do {                                                                                           \
        if (!(holds)) {                                                                            \
            fprintf(stderr, "MUST hold, but does not: ");                                          \
            fprintf(stderr, __VA_ARGS__);                                                          \
            fprintf(stderr, "\n");                                                                 \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* The input as a stream of numbers; zeros after its end. */
struct input {
    const uint8_t *at;
    size_t left;
};

__attribute__((unused)) static uint32_t take(struct input *in, unsigned count)
{
    uint32_t value = 0;

    for (; count && in->left; count--, in->left--)
        value = value << 8 | *in->at++;
    return value;
}

/* A number below `limit`, of as few bytes as that takes. */
__attribute__((unused)) static uint32_t take_below(struct input *in, uint32_t limit)
{
    return take(in, limit <= 1 << 8 ? 1 : limit <= 1 << 16 ? 2 : 4) % limit;
}

#endif
