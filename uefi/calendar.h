/* SPDX-License-Identifier: MIT */
/* calendar.h - dates to seconds; no firmware in here, tests/unit builds it for the host. */
#ifndef UEFI_CALENDAR_H
#define UEFI_CALENDAR_H

#include "types.h"

/* A moment of the Gregorian calendar, in UTC. Months and days count from 1. */
struct moment {
    int32_t year, month, day, hour, minute, second;
};

/* Seconds since 1970-01-01 00:00:00 UTC, 0 for a moment before it or that no clock shows. */
uint64_t calendar_seconds(const struct moment *moment);

#endif
