/* SPDX-License-Identifier: MIT */
/*
 * accept.c - what init says of bundles: for each on standard input, its size before it, one line; an
 * empty one if it is accepted.
 *
 * A program for tests in Python (tests/fuzz/machine.py), not one by itself.
 */
#include <stdio.h>
#include <stdlib.h>

#include "promises.h"

int main(void)
{
    uint32_t size, at;

    while (fread(&size, sizeof(size), 1, stdin) == 1) {
        char *bundle = malloc(size);
        if (!bundle || fread(bundle, 1, size, stdin) != size)
            return 1;
        const char *wrong = bundle_check(bundle, size, &at);
        if (!wrong && !inv_bundle(bundle))
            wrong = "is accepted, but breaks its promises.";
        puts(wrong ? wrong : "");
        fflush(stdout);
        free(bundle);
    }
    return 0;
}
