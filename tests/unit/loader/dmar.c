/* SPDX-License-Identifier: MIT */
/* dmar.c - the way to a DMAR, and what the loader makes of good and broken ones. */
#include <stdlib.h>
#include <string.h>

#include "../../../uefi/acpi.h"
#include "../../../uefi/dmar.h"
#include "../tap.h"

enum { SIZE = 4096, ROUNDS = 200000 };

static uint8_t table[SIZE];
static uint64_t used;
static struct boot_dma dma;

/* Bus 0 has a bridge at 1c.0 to buses 2 to 4, bus 2 one at 00.0 to bus 3. */
static uint8_t pci(uint16_t id, uint32_t offset)
{
    if (offset == 0x19)
        return id == (0x1c << 3) ? 2 : id == 0x200 ? 3 : 0;
    return offset == 0x1a && id == (0x1c << 3) ? 4 : 3;
}

static void add(const void *bytes, uint64_t size)
{
    memcpy(table + used, bytes, size);
    used += size;
}

static void begin(void)
{
    memset(table, 0, sizeof(table));
    memcpy(table, "DMAR", 4);
    used = 48;
}

#define SCOPE(type, bus, ...)                                                                      \
    (type), 6 + sizeof((uint8_t[]){__VA_ARGS__}), 0, 0, 0, (bus), __VA_ARGS__
#define UNIT(flags, segment, page, ...)                                                            \
    do {                                                                                           \
        const uint8_t scopes_[] = {__VA_ARGS__};                                                   \
        const uint8_t unit_[16] = {                                                                \
            0, 0, 16 + sizeof(scopes_), 0, (flags), 0, (segment), 0, 0, (page), 0xd9, 0xfe};       \
        add(unit_, 16);                                                                            \
        add(scopes_, sizeof(scopes_));                                                             \
    } while (0)
#define RESERVED(segment, from, to, ...)                                                           \
    do {                                                                                           \
        const uint8_t scopes_[] = {__VA_ARGS__};                                                   \
        const uint64_t range_[] = {(from), (to)};                                                  \
        const uint8_t head_[8] = {1, 0, 24 + sizeof(scopes_), 0, 0, 0, (segment), 0};              \
        add(head_, 8);                                                                             \
        add(range_, 16);                                                                           \
        add(scopes_, sizeof(scopes_));                                                             \
    } while (0)

/* Read from a buffer of exactly its size: the sanitizer watches its end. */
static uint32_t read_table(uint64_t size)
{
    uint8_t *exact = malloc(size ? size : 1);

    memcpy(exact, table, size);
    memset(&dma, 0x5a, sizeof(dma));
    dmar_read(exact, size, pci, &dma);
    free(exact);
    return dma.state;
}

static bool covers(uint32_t at, uint32_t first, uint32_t last)
{
    return at < dma.covered_count && dma.covered[at].first == first && dma.covered[at].last == last;
}

static void test_named_devices(void)
{
    begin();
    UNIT(0, 0, 0, SCOPE(3, 0xff, 0, 0), SCOPE(1, 0, 2, 0), SCOPE(2, 0, 0x1c, 0));
    tap_ok(read_table(used) == EXO_DMA_UNITS && dma.unit_count == 1 &&
               dma.units[0].registers == 0xfed90000 && dma.units[0].segment == 0,
           "a unit and its registers");
    tap_ok(dma.covered_count == 3 && covers(0, 0x10, 0x10) && covers(1, 0xe0, 0xe0) &&
               covers(2, 0x200, 0x4ff),
           "the devices that it names, what is behind a bridge included, the I/O APIC not");
}

static void test_rest_and_reservations(void)
{
    begin();
    UNIT(0, 0, 0, SCOPE(1, 0, 2, 0));
    UNIT(1, 0, 0x10, SCOPE(3, 0xf0, 0x1f, 0));
    UNIT(1, 1, 0x20, SCOPE(1, 0, 5, 0));
    RESERVED(0, 0x7b800000, 0x7fffffff, SCOPE(1, 0, 2, 0));
    RESERVED(0, 0x1000, 0x1fff, SCOPE(1, 0, 0x1c, 0, 0, 0, 5, 1), SCOPE(1, 0, 0x14, 0));
    RESERVED(1, 0x1000, 0x1fff, SCOPE(1, 0, 9, 0));
    const uint8_t unknown[] = {5, 0, 8, 0, 1, 2, 3, 4};
    add(unknown, sizeof(unknown));
    tap_ok(read_table(used) == EXO_DMA_UNITS && dma.unit_count == 3 && dma.units[2].segment == 1,
           "three units, one of another segment");
    tap_ok(dma.covered_count == 2 && covers(0, 0x10, 0x10) && covers(1, 0, 0xffff),
           "one of them has all the rest; the other segment's say nothing of this one");
    tap_ok(dma.reserved_count == 3 && dma.reserved[0].first == 0x7b800000 &&
               dma.reserved[0].last == 0x7fffffff && dma.reserved[0].id == 0x10,
           "memory reserved for a device");
    tap_ok(dma.reserved[1].id == 0x329 && dma.reserved[2].id == 0xa0,
           "for one behind two bridges, and one reservation for two");
}

static void test_broken(void)
{
    static const struct {
        uint32_t at;
        uint8_t value;
        const char *what;
    } wrong[] = {
        {48 + 2, 3, "a structure shorter than its head"},
        {48 + 2, 15, "a unit shorter than its fields"},
        {48 + 2, 255, "a structure that goes past the end"},
        {48 + 2, 20, "a unit that ends in the middle of a scope"},
        {48 + 8, 1, "registers that are no page"},
        {64 + 1, 6, "a scope without a path"},
        {64 + 1, 9, "a scope with half a path"},
        {64 + 1, 10, "a scope that is longer than its unit"},
        {64 + 1, 0, "a scope of no length"},
        {64 + 6, 32, "a device that PCI has not"},
        {64 + 7, 8, "a function that PCI has not"},
        {72 + 2, 23, "a reservation shorter than its fields"},
        {72 + 8, 1, "a reservation that begins within a page"},
        {72 + 16, 0xfe, "a reservation that ends within a page"},
        {72 + 9, 0x40, "a reservation that ends before it begins"},
        {96 + 6, 77, "a reservation for no device"},
    };

    begin();
    tap_ok(read_table(used) == EXO_DMA_BROKEN, "no unit at all");
    UNIT(0, 0, 0, SCOPE(1, 0, 2, 0));
    RESERVED(0, 0x1000, 0x1fff, SCOPE(1, 0, 2, 0));
    tap_ok(read_table(used) == EXO_DMA_UNITS && dma.reserved_count == 1, "a good table");
    for (uint32_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        uint8_t good = table[wrong[i].at];
        table[wrong[i].at] = wrong[i].value;
        tap_ok(read_table(used) == EXO_DMA_BROKEN && !dma.unit_count && !dma.covered_count &&
                   !dma.reserved_count,
               "%s makes it worthless", wrong[i].what);
        table[wrong[i].at] = good;
    }
    uint32_t accepted = 0;
    for (uint64_t size = 0; size < used; size++)
        accepted += read_table(size) == EXO_DMA_UNITS;
    tap_ok(accepted == 1, "cut anywhere but between two structures, too");
}

static void test_too_much(void)
{
    begin();
    for (uint32_t i = 0; i <= EXO_BOOT_UNITS; i++) {
        tap_ok(i == 0 || read_table(used) == EXO_DMA_UNITS, "%u units", i);
        UNIT(1, 0, (uint8_t)(16 * i));
    }
    tap_ok(read_table(used) == EXO_DMA_MANY && !dma.unit_count, "are as many as fit");
    begin();
    UNIT(1, 0, 0);
    for (uint32_t i = 0; i < EXO_BOOT_RESERVED; i++)
        RESERVED(0, 0x1000, 0x1fff, SCOPE(1, 0, 2, 0));
    tap_ok(read_table(used) == EXO_DMA_UNITS && dma.reserved_count == EXO_BOOT_RESERVED,
           "%u reservations", EXO_BOOT_RESERVED);
    RESERVED(0, 0x1000, 0x1fff, SCOPE(1, 0, 2, 0));
    tap_ok(read_table(used) == EXO_DMA_MANY, "are as many as fit");
    begin();
    for (uint32_t i = 0; i <= EXO_BOOT_COVERED; i++) {
        UNIT(0, 0, 0, SCOPE(1, 0, 2, 0));
        uint32_t units = i / 10; /* ten devices a unit, or the units would be too many */
        memcpy(table + 48 + units * 96 + 16 + i % 10 * 8, (uint8_t[]){SCOPE(1, 0, 2, 0)}, 8);
        table[48 + units * 96 + 2] = (uint8_t)(16 + (i % 10 + 1) * 8);
        used = 48 + units * 96 + table[48 + units * 96 + 2];
        if (i % 10 == 0)
            memcpy(table + 48 + units * 96, (uint8_t[]){0, 0, 24, 0, 0, 0, 0, 0, 0, 0, 0xd9, 0xfe},
                   12);
        bool fits = read_table(used) == EXO_DMA_UNITS && dma.covered_count == i + 1;
        if (i + 1 >= EXO_BOOT_COVERED)
            tap_ok(fits == (i < EXO_BOOT_COVERED), "%u devices", i + 1);
    }
}

static void test_random(void)
{
    uint32_t good = 0;

    for (uint32_t round = 0; round < ROUNDS; round++) {
        begin();
        UNIT(tap_random() % 2, 0, 0, SCOPE(1, 0, 2, 0), SCOPE(2, 0, 0x1c, 0, 0, 0));
        RESERVED(0, 0x1000, 0x1fff, SCOPE(1, 0, 2, 0));
        for (uint32_t changes = tap_random() % 4; changes; changes--)
            table[48 + tap_random() % (used - 48)] =
                (uint8_t)(tap_random() % 2 ? tap_random() : tap_random() % 33);
        good += read_table(tap_random() % 4 ? used : tap_random() % (used + 1)) == EXO_DMA_UNITS;
    }
    tap_ok(good > ROUNDS / 10 && good < ROUNDS, "%u changed tables are read within their bounds",
           ROUNDS);
}

static void sum_make(uint8_t *bytes, uint64_t size, uint32_t at)
{
    bytes[at] = 0;
    for (uint64_t i = 0; i < size; i++)
        if (i != at)
            bytes[at] = (uint8_t)(bytes[at] - bytes[i]);
}

static void header_make(uint8_t *bytes, const char *signature, uint32_t size)
{
    memcpy(bytes, signature, 4);
    memcpy(bytes + 4, &size, 4);
    sum_make(bytes, size, 9);
}

static void test_find(void)
{
    uint8_t wanted[48] = {0}, other[40] = {0}, root[36 + 16] = {0}, rsdp[36] = {0};
    uint64_t size = 0, address = (uint64_t)root, entries[2] = {(uint64_t)other, (uint64_t)wanted};

    rsdp[15] = 2;
    memcpy(rsdp + 24, &address, 8);
    memcpy(root + 36, entries, 16);
    header_make(wanted, "DMAR", sizeof(wanted));
    header_make(other, "APIC", sizeof(other));
    header_make(root, "XSDT", sizeof(root));
    tap_ok(acpi_find((uint64_t)rsdp, "DMAR", &size) == wanted && size == 48, "a table is found");
    tap_ok(!acpi_find((uint64_t)rsdp, "FACP", &size) && !acpi_find(0, "DMAR", &size),
           "one that is not there is not, nor any without ACPI");
    wanted[40]++;
    tap_ok(!acpi_find((uint64_t)rsdp, "DMAR", &size), "nor one with a wrong sum");
    wanted[40]--;
    header_make(root, "XSDT", sizeof(root) - 1);
    tap_ok(!acpi_find((uint64_t)rsdp, "DMAR", &size), "nor one whose address is cut off");
    root[40]++;
    tap_ok(!acpi_find((uint64_t)rsdp, "APIC", &size), "nor any by a list with a wrong sum");
}

int main(void)
{
    test_named_devices();
    test_rest_and_reservations();
    test_broken();
    test_too_much();
    test_random();
    test_find();
    return tap_done();
}
