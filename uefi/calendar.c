/* SPDX-License-Identifier: MIT */
/* calendar.c - dates to seconds, for years from 1970 to 9999. */
#include "calendar.h"

static bool is_leap(int32_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Leap days in the years 1 to `year`. */
static int64_t leap_days(int32_t year)
{
    return year / 4 - year / 100 + year / 400;
}

static bool exists(const struct moment *m)
{
    static const uint8_t days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    if (m->year < 1970 || m->year > 9999 || m->month < 1 || m->month > 12 || m->day < 1)
        return false;
    if (m->day > days[m->month - 1] + (m->month == 2 && is_leap(m->year)))
        return false;
    return m->hour >= 0 && m->hour < 24 && m->minute >= 0 && m->minute < 60 && m->second >= 0 &&
           m->second < 60;
}

uint64_t calendar_seconds(const struct moment *m)
{
    static const uint16_t before[12] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};

    if (!exists(m))
        return 0;
    int64_t days = (int64_t)(m->year - 1970) * 365 + leap_days(m->year - 1) - leap_days(1969);
    days += before[m->month - 1] + (m->month > 2 && is_leap(m->year)) + m->day - 1;
    return (uint64_t)(((days * 24 + m->hour) * 60 + m->minute) * 60 + m->second);
}
