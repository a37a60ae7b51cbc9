/* SPDX-License-Identifier: MIT */
/* check.h - what a test application has checked, a line each, and how often it was wrong. */
#ifndef TESTS_APPS_CHECK_H
#define TESTS_APPS_CHECK_H

#include <stdbool.h>
#include <stdio.h>

static unsigned failed;

static void check(bool good, const char *what)
{
    printf("%s: %s\n", good ? "ok" : "not ok", what);
    fflush(stdout);
    failed += !good;
}

#endif
