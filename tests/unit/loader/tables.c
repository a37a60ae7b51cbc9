/* SPDX-License-Identifier: MIT */
/* tables.c - the loader's reading of ACPI's MADT, and its calendar, with good and broken input. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../../uefi/acpi.h"
#include "../../../uefi/calendar.h"
#include "../tap.h"

enum { HEADER = 44, LIMIT = 4, ROUNDS = 100000 };

/*
 * Three CPUs of which one is off, an I/O APIC between them, one with a wide id; then two of these
 * once more, an empty socket, and the two addresses that stand for all CPUs.
 */
static const uint8_t entries[] = {
    0, 8,  0, 5,   1,   0,   0,   0,               /* local APIC 5, enabled */
    1, 12, 0, 0,   0,   0,   0,   0,   0, 0, 0, 0, /* I/O APIC */
    0, 8,  1, 6,   0,   0,   0,   0,               /* local APIC 6, disabled */
    0, 8,  2, 7,   3,   0,   0,   0,               /* local APIC 7, enabled and more */
    9, 16, 0, 0,   0,   1,   0,   0,   1, 0, 0, 0,
    0, 0,  0, 0, /* local x2APIC 256, enabled */
    9, 16, 0, 0,   7,   0,   0,   0,   1, 0, 0, 0,
    2, 0,  0, 0,                     /* local x2APIC 7, which is local APIC 7 */
    0, 8,  7, 5,   1,   0,   0,   0, /* local APIC 5 */
    0, 8,  4, 8,   2,   0,   0,   0, /* local APIC 8, off, may be turned on */
    0, 8,  5, 255, 1,   0,   0,   0, /* local APIC 255 */
    9, 16, 0, 0,   255, 255, 255, 255, 1, 0, 0, 0,
    0, 0,  0, 0, /* local x2APIC 2^32 - 1 */
};

static uint8_t *make_madt(uint64_t size)
{
    uint8_t whole[HEADER + sizeof(entries)] = {0}, *madt = malloc(size ? size : 1);

    memcpy(whole + HEADER, entries, sizeof(entries));
    memcpy(madt, whole, size);
    return madt;
}

static void test_madt(void)
{
    uint32_t ids[LIMIT] = {0};
    uint8_t *madt = make_madt(HEADER + sizeof(entries));

    uint32_t count = madt_cpus(madt, HEADER + sizeof(entries), ids, LIMIT);
    tap_ok(count == 3 && ids[0] == 5 && ids[1] == 7 && ids[2] == 256,
           "enabled CPUs are found, with wide ids, each once, and no broadcast address");
    ids[2] = 99;
    count = madt_cpus(madt, HEADER + sizeof(entries), ids, 2);
    tap_ok(count == 3 && ids[0] == 5 && ids[1] == 7 && ids[2] == 99,
           "more CPUs than fit are counted, not written");
    free(madt);
}

static void test_madt_broken(void)
{
    uint64_t counted = 0;

    /* Any length, any bytes: the sanitizer watches what is read, ids what is written. */
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint64_t size = tap_random() % (HEADER + sizeof(entries) + 1);
        uint8_t *madt = make_madt(size);
        uint32_t *ids = malloc(LIMIT * sizeof(*ids));
        for (unsigned changes = tap_random() % 3; changes && size > HEADER; changes--)
            madt[HEADER + tap_random() % (size - HEADER)] =
                (uint8_t)(tap_random() % 2 ? tap_random() : tap_random() % 17);
        counted += madt_cpus(madt, size, ids, LIMIT);
        free(ids);
        free(madt);
    }
    tap_ok(counted > ROUNDS / 10, "%u broken tables are read within their bounds", ROUNDS);
}

static void test_sum(void)
{
    const uint8_t good[] = {1, 2, 253}, bad[] = {1, 2, 254};
    tap_ok(acpi_sum_is_zero(good, sizeof(good)) && !acpi_sum_is_zero(bad, sizeof(bad)),
           "a table's bytes add up to zero or not");
}

static void test_calendar(void)
{
    unsigned wrong = 0;

    for (unsigned round = 0; round < ROUNDS; round++) {
        time_t seconds = (time_t)(tap_random() % 253402300800); /* until the end of 9999 */
        struct tm tm;
        gmtime_r(&seconds, &tm);
        struct moment m = {tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
                           tm.tm_hour,        tm.tm_min,     tm.tm_sec};
        wrong += calendar_seconds(&m) != (uint64_t)seconds;
    }
    tap_ok(wrong == 0, "%u moments agree with the C library's calendar", ROUNDS);
}

static void test_no_moment(void)
{
    const struct moment broken[] = {
        {1969, 12, 31, 23, 59, 59}, {10000, 1, 1, 0, 0, 0}, {2026, 0, 1, 0, 0, 0},
        {2026, 13, 1, 0, 0, 0},     {2026, 2, 29, 0, 0, 0}, {2100, 2, 29, 0, 0, 0},
        {2026, 4, 31, 0, 0, 0},     {2026, 4, 0, 0, 0, 0},  {2026, 4, 1, 24, 0, 0},
        {2026, 4, 1, 0, 60, 0},     {2026, 4, 1, 0, 0, 60}, {2026, 4, 1, -1, 0, 0},
    };
    unsigned accepted = 0;

    for (unsigned i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
        accepted += calendar_seconds(&broken[i]) != 0;
    tap_ok(accepted == 0, "moments that no clock shows give 0");
    tap_ok(calendar_seconds(&(struct moment){2028, 2, 29, 0, 0, 0}) == 1835395200,
           "a leap day is a day");
}

int main(void)
{
    test_madt();
    test_madt_broken();
    test_sum();
    test_calendar();
    test_no_moment();
    return tap_done();
}
