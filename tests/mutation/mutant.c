/* SPDX-License-Identifier: MIT */
/* mutant.c - chooses the mutant (mutant.h), and says at the end which conditions the run came to. */
#include "mutant.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

unsigned mutant;
unsigned char mutant_reached[MUTANTS];

__attribute__((constructor)) static void choose(void)
{
    const char *number = getenv("MUTANT"), *seconds = getenv("MUTANT_SECONDS");

    mutant = number ? (unsigned)strtoul(number, NULL, 10) : 0;
    if (seconds) { /* a mutant that loops for ever is one that was noticed */
        rlim_t most = strtoul(seconds, NULL, 10);
        setrlimit(RLIMIT_CPU, &(struct rlimit){most, most});
    }
}

/* For the one who asks: tests that do not come to a condition need not be tried on its mutants. */
__attribute__((destructor)) static void tell(void)
{
    const char *name = getenv("MUTANT_REACHED");
    FILE *file = name ? fopen(name, "w") : NULL;

    if (!file)
        return;
    for (unsigned i = 0; i < MUTANTS; i++)
        if (mutant_reached[i])
            fprintf(file, "%u\n", i);
    fclose(file);
}
