/* SPDX-License-Identifier: MIT */
#include "setting.h"

#include <stdio.h>
#include <stdlib.h>

unsigned setting(const char *program, const char *name, unsigned otherwise, unsigned least,
                 unsigned most)
{
    const char *text = getenv(name), *at = text;
    unsigned long n = 0;

    if (!text)
        return otherwise;
    while (*at >= '0' && *at <= '9' && n <= most)
        n = n * 10 + (unsigned)(*at++ - '0');
    if (at == text || *at || n < least || n > most) {
        fprintf(stderr, "%s: %s is '%s', but must be a number from %u to %u\n", program, name, text,
                least, most);
        exit(2);
    }
    return (unsigned)n;
}
