/* SPDX-License-Identifier: MIT */
/*
 * planted.c - a target with a bug: does the fuzzer find any? (test_fuzz.py)
 */
#include "target.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    volatile uint8_t *copy = malloc(4); /* so that no compiler leaves the bug out */

    for (size_t i = 0; i < 4; i++)
        copy[i] = i < size ? bytes[i] : 0;
    if (copy[0] == 'b' && copy[1] == 'u' && copy[2] == 'g')
        copy[3] = copy[size]; /* past the end when there are four bytes or more */
    free((void *)copy);
    return 0;
}
