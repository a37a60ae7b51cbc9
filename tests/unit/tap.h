/* SPDX-License-Identifier: MIT */
/*
 * tap.h - results in the Test Anything Protocol, and numbers that are random but repeat.
 *
 * A test program calls tap_ok() for each thing it checked and returns tap_done().
 */
#ifndef TESTS_TAP_H
#define TESTS_TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

static unsigned tap_count, tap_failures;

/* One result; `format` names what was checked. Returns `held`. */
__attribute__((format(printf, 2, 3), unused)) static bool tap_ok(bool held, const char *format, ...)
{
    va_list arguments;

    printf("%sok %u - ", held ? "" : "not ", ++tap_count);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
    fflush(stdout);
    tap_failures += !held;
    return held;
}

/* The plan, and the program's exit status. */
__attribute__((unused)) static int tap_done(void)
{
    printf("1..%u\n", tap_count);
    return tap_failures != 0;
}

/* xorshift64* (Vigna, 2016): the same numbers in every run, so that a failure can be repeated. */
__attribute__((unused)) static uint64_t tap_random(void)
{
    static uint64_t state = 0x9e3779b97f4a7c15;

    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * 0x2545f4914f6cdd1d;
}

#endif
