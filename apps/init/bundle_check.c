/* SPDX-License-Identifier: MIT */
/*
 * bundle_check.c - reading a bundle without trusting it.
 *
 * All offsets are compared by subtraction from what is left, so that nothing can wrap.
 */
#include "bundle_check.h"

#include <string.h>

#include "start.h"

/* One step of the CRC-32 of IEEE 802.3, bits reversed; four bits at a time. */
static uint32_t crc32(uint32_t crc, const uint8_t *at, uint64_t length)
{
    static const uint32_t nibble[16] = {0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac,
                                        0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
                                        0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
                                        0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};

    while (length--) {
        crc ^= *at++;
        crc = crc >> 4 ^ nibble[crc & 15];
        crc = crc >> 4 ^ nibble[crc & 15];
    }
    return crc;
}

uint32_t crc_of(const void *bytes, uint64_t length)
{
    return ~crc32(UINT32_MAX, bytes, length);
}

uint32_t bundle_crc(const void *bundle, uint64_t size)
{
    struct bundle_header header = *(const struct bundle_header *)bundle;

    header.crc = 0;
    uint32_t crc = crc32(UINT32_MAX, (const uint8_t *)&header, sizeof(header));
    return ~crc32(crc, (const uint8_t *)bundle + sizeof(header), size - sizeof(header));
}

static bool within(uint64_t offset, uint64_t length, uint64_t size)
{
    return offset <= size && length <= size - offset;
}

/* Is this a name of 1 to `size` - 1 characters a-z, 0-9 and -, ended by a NUL? */
static bool name_ok(const char *name, uint32_t size)
{
    uint32_t length = 0;

    while (length < size && name[length]) {
        char c = name[length++];
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-')
            return false;
    }
    return length > 0 && length < size;
}

/* Would the log not tell this application from the kernel, the loader or init? */
static bool name_taken(const char *name)
{
    return !strcmp(name, "exo") || !strcmp(name, "uefi") || !strcmp(name, "init");
}

/* 0 or a MAC that one station may have: 48 bits, and not a group's (IEEE 802, 8.2). */
static bool mac_ok(uint64_t mac)
{
    return mac >> 48 == 0 && !(mac >> 40 & 1);
}

/* Are these exactly `count` strings, each ended by a NUL? */
static bool strings_ok(const char *at, uint32_t bytes, uint32_t count)
{
    for (uint32_t i = 0; i < bytes; i++)
        if (!at[i] && count-- == 0)
            return false;
    return count == 0 && (bytes == 0 || !at[bytes - 1]);
}

static const char *app_check(const char *bundle, uint64_t size, const struct bundle_app *app)
{
    if (!name_ok(app->name, sizeof(app->name)))
        return "has an application without a proper name.";
    if (name_taken(app->name))
        return "gives an application a name that the log uses for the system.";
    if (app->image_offset % EXO_PAGE_SIZE || !within(app->image_offset, app->image_size, size))
        return "has an image that lies outside of it.";
    if ((uint64_t)app->argc + app->envc > EXO_START_COUNT)
        return "has more arguments and settings than an application can be given.";
    if (!within(app->strings_offset, app->strings_size, size) ||
        app->strings_size > EXO_START_STRINGS ||
        !strings_ok(bundle + app->strings_offset, app->strings_size, app->argc + app->envc))
        return "has arguments that lie outside of it or are not strings.";
    if (app->restart > BUNDLE_ALWAYS)
        return "has a restart rule that this init does not know.";
    if (!app->slices != !!app->cpus)
        return "has an application without a slice of the CPU, or with slices and whole CPUs.";
    if (!app->vcpus || app->vcpus > EXO_CPUS || (app->cpus && app->vcpus > 1))
        return "has an application without a virtual CPU, or with more than it can have.";
    if (app->cpus & 1)
        return "gives an application the first CPU whole, of which init needs a slice.";
    if (!mac_ok(app->mac))
        return "gives an application a MAC that no station may have.";
    if (app->allow_offset % 8 || app->allowances > EXO_ALLOWANCES ||
        !within(app->allow_offset, app->allowances * sizeof(struct exo_filter), size))
        return "has an application whose filters lie outside of it.";
    if (!app->mac != !app->allowances)
        return "has an application with a MAC and no filter, or a filter and no MAC.";
    const struct exo_filter *allow = (const void *)((const char *)bundle + app->allow_offset);
    for (uint32_t i = 0; i < app->allowances; i++)
        if (allow[i].value.mac != app->mac || allow[i].mask.mac != EXO_MAC_ALL)
            return "has an application with a filter that is not for its MAC.";
    return NULL;
}

static const char *clash(const struct bundle_app *apps, uint32_t i)
{
    for (uint32_t j = 0; j < i; j++) {
        if (!strcmp(apps[j].name, apps[i].name))
            return "has two applications of one name.";
        if (apps[i].mac && apps[j].mac == apps[i].mac)
            return "has two applications of one MAC.";
        if (apps[j].cpus & apps[i].cpus)
            return "gives one CPU to two applications whole.";
    }
    return NULL;
}

/* Is it under nobody, or one of the first, under one that has CPUs to hand out and is under no other? */
static bool under_ok(const struct bundle_app *apps, uint32_t count, uint32_t i)
{
    uint32_t under = apps[i].under;

    return !under || (i < BUNDLE_UNDER && under <= count && apps[under - 1].cpus && !apps[i].cpus);
}

const struct bundle_app *bundle_apps(const void *bundle)
{
    return (const void *)((const char *)bundle + sizeof(struct bundle_header));
}

const char *bundle_check(const void *bundle, uint64_t size, uint32_t *at)
{
    const struct bundle_header *h = bundle;

    *at = BUNDLE_APPS;
    if (size < sizeof(*h))
        return "is shorter than its header.";
    if (h->magic != BUNDLE_MAGIC)
        return "is not a bundle.";
    if (h->version != BUNDLE_VERSION)
        return "is of another version: build it and init from one checkout.";
    if (h->size > size)
        return "is cut short.";
    if (h->size < sizeof(*h))
        return "says it is shorter than its header.";
    if (bundle_crc(bundle, h->size) != h->crc)
        return "is damaged: its checksum differs.";
    if (h->flags & ~BUNDLE_CONTROL)
        return "asks for what this init does not know.";
    if (h->apps > BUNDLE_APPS ||
        !within(sizeof(*h), (uint64_t)h->apps * sizeof(struct bundle_app), h->size))
        return "says it has more applications than it can hold.";
    if (!name_ok(h->machine, sizeof(h->machine)))
        return "names no proper machine.";
    const struct bundle_app *apps = bundle_apps(bundle);
    for (uint32_t i = 0; i < h->apps; i++) {
        const char *wrong = app_check(bundle, h->size, &apps[i]);
        if (!wrong)
            wrong = clash(apps, i);
        if (!wrong && !under_ok(apps, h->apps, i))
            wrong = "puts an application under one that has no CPU to hand out to it.";
        if (wrong) {
            *at = i;
            return wrong;
        }
    }
    return NULL;
}
