/* SPDX-License-Identifier: MIT */
/*
 * relocate.c - moving a position-independent program to the place that was drawn for it.
 *
 * Such a program finds its own things by their distance; what is left are words that hold an
 * address. Those it lists as RELR (System V ABI, "Relative Relocation Table"): an even entry is the
 * address of such a word, an odd one has a bit for each of the 63 words after the last. A word that is
 * not aligned cannot be listed so; it is in the older table RELA, with its value as linked.
 *
 * As in elf.c: no byte outside the file or the placed segments is read or written, whatever the
 * headers say.
 */
#include "relocate.h"

enum {
    DT_NULL = 0,
    DT_PLTRELSZ = 2,
    DT_RELA = 7,
    DT_RELASZ = 8,
    DT_RELSZ = 18,
    DT_RELRSZ = 35,
    DT_RELR = 36,
    WORD = 8,
    R_RELATIVE = 8,
};

struct dynamic {
    uint64_t tag;
    uint64_t value;
};

struct rela {
    uint64_t address;
    uint64_t type;
    uint64_t value;
};

/* Where the tables are, as the dynamic section says. */
struct tables {
    uint64_t relr, relr_bytes, rela, rela_bytes;
    bool others;
};

static uint64_t read64(const uint8_t *at)
{
    uint64_t value;
    __builtin_memcpy(&value, at, sizeof(value));
    return value;
}

/* Where the placed program has these bytes; NULL: not all in one segment. */
static uint8_t *bytes_at(const struct elf_plan *plan, void *const *pages, uint64_t address,
                         uint64_t length)
{
    for (uint32_t i = 0; i < plan->count; i++) {
        const struct elf_segment *s = &plan->segments[i];
        uint64_t size = s->pages * EXO_PAGE_SIZE, offset = address - s->virt;
        if (address >= s->virt && offset <= size && length <= size - offset)
            return (uint8_t *)pages[i] + offset;
    }
    return NULL;
}

static bool add(const struct elf_plan *plan, void *const *pages, uint64_t address, uint64_t base)
{
    uint8_t *word = bytes_at(plan, pages, address, WORD);

    if (!word)
        return false;
    uint64_t value = read64(word) + base;
    __builtin_memcpy(word, &value, sizeof(value));
    return true;
}

static bool apply(const struct elf_plan *plan, void *const *pages, const uint8_t *table,
                  uint64_t bytes, uint64_t base)
{
    uint64_t next = 0;

    for (uint64_t at = 0; at + WORD <= bytes; at += WORD) {
        uint64_t entry = read64(table + at);
        if (!(entry & 1)) {
            if (!add(plan, pages, entry, base))
                return false;
            next = entry + WORD;
            continue;
        }
        for (uint64_t bit = 1; bit < 64; bit++)
            if (entry >> bit & 1 && !add(plan, pages, next + (bit - 1) * WORD, base))
                return false;
        next += 63 * WORD;
    }
    return true;
}

static bool apply_rela(const struct elf_plan *plan, void *const *pages, const uint8_t *table,
                       uint64_t bytes, uint64_t base)
{
    for (uint64_t at = 0; at + sizeof(struct rela) <= bytes; at += sizeof(struct rela)) {
        struct rela entry;
        __builtin_memcpy(&entry, table + at, sizeof(entry));
        uint8_t *word = bytes_at(plan, pages, entry.address, WORD);
        uint64_t value = entry.value + base;
        if (!word || entry.type != R_RELATIVE)
            return false;
        __builtin_memcpy(word, &value, sizeof(value));
    }
    return true;
}

static struct tables tables_of(const uint8_t *dynamic, uint64_t length)
{
    struct tables found = {0};

    for (uint64_t i = 0; i + sizeof(struct dynamic) <= length; i += sizeof(struct dynamic)) {
        struct dynamic entry = {read64(dynamic + i), read64(dynamic + i + WORD)};
        if (entry.tag == DT_NULL)
            break;
        if (entry.tag == DT_RELR)
            found.relr = entry.value;
        else if (entry.tag == DT_RELRSZ)
            found.relr_bytes = entry.value;
        else if (entry.tag == DT_RELA)
            found.rela = entry.value;
        else if (entry.tag == DT_RELASZ)
            found.rela_bytes = entry.value;
        else if ((entry.tag == DT_RELSZ || entry.tag == DT_PLTRELSZ) && entry.value)
            found.others = true;
    }
    return found;
}

const char *elf_relocate(const void *file, uint64_t size, const struct elf_plan *plan,
                         void *const *pages, uint64_t base)
{
    uint64_t at, length;

    if (!elf_dynamic(file, size, &at, &length))
        return NULL; /* no word of it holds an address */
    const uint8_t *dynamic = bytes_at(plan, pages, at, length);
    if (!dynamic)
        return "has a dynamic section outside of its segments";
    struct tables found = tables_of(dynamic, length);
    if (found.others)
        return "has relocations of a kind that the loader does not know; link it with "
               "-z pack-relative-relocs";
    const uint8_t *relr = bytes_at(plan, pages, found.relr, found.relr_bytes);
    const uint8_t *rela = bytes_at(plan, pages, found.rela, found.rela_bytes);
    if ((found.relr_bytes && (!relr || !apply(plan, pages, relr, found.relr_bytes, base))) ||
        (found.rela_bytes && (!rela || !apply_rela(plan, pages, rela, found.rela_bytes, base))))
        return "has relocations outside of its segments, or of a kind that the loader does not "
               "know";
    return NULL;
}
