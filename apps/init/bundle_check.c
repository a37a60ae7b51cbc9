/* SPDX-License-Identifier: MIT */
/*
 * bundle_check.c - reading a bundle without trusting it.
 *
 * All offsets are compared by subtraction from what is left, so that nothing can wrap.
 */
#include "bundle_check.h"

#include <string.h>

#include "start.h"

static uint32_t crc32(const uint8_t *at, uint64_t length)
{
    uint32_t crc = UINT32_MAX;

    /* IEEE 802.3, bits reversed; four bits at a time. */
    static const uint32_t nibble[16] = {0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac,
                                        0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
                                        0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
                                        0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
    while (length--) {
        crc ^= *at++;
        crc = crc >> 4 ^ nibble[crc & 15];
        crc = crc >> 4 ^ nibble[crc & 15];
    }
    return ~crc;
}

static bool within(uint64_t offset, uint64_t length, uint64_t size)
{
    return offset <= size && length <= size - offset;
}

static bool name_ok(const char name[16])
{
    uint32_t length = 0;

    while (length < 16 && name[length]) {
        char c = name[length++];
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-')
            return false;
    }
    return length > 0 && length < 16;
}

/* Are these exactly `count` strings, each ended by a NUL? */
static bool strings_ok(const char *at, uint32_t bytes, uint64_t count)
{
    for (uint32_t i = 0; i < bytes; i++)
        if (!at[i] && count-- == 0)
            return false;
    return count == 0 && (bytes == 0 || !at[bytes - 1]);
}

static const char *app_check(const char *bundle, uint64_t size, const struct bundle_app *app)
{
    if (!name_ok(app->name))
        return "has an application without a proper name.";
    if (app->image_offset % EXO_PAGE_SIZE || !within(app->image_offset, app->image_size, size))
        return "has an image that lies outside of it.";
    if (!within(app->strings_offset, app->strings_size, size) ||
        app->strings_size > EXO_START_STRINGS ||
        !strings_ok(bundle + app->strings_offset, app->strings_size,
                    (uint64_t)app->argc + app->envc))
        return "has arguments that lie outside of it or are not strings.";
    if (app->restart > BUNDLE_ALWAYS)
        return "has a restart rule that this init does not know.";
    if (app->slices == 0 || app->slices > EXO_SLICES)
        return "has an application with no slices or too many.";
    return NULL;
}

const struct bundle_app *bundle_apps(const void *bundle)
{
    return (const void *)((const char *)bundle + sizeof(struct bundle_header));
}

const char *bundle_check(const void *bundle, uint64_t size)
{
    const struct bundle_header *h = bundle;

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
    if (crc32((const uint8_t *)bundle + sizeof(*h), h->size - sizeof(*h)) != h->crc)
        return "is damaged: its checksum differs.";
    if (h->apps > BUNDLE_APPS ||
        !within(sizeof(*h), (uint64_t)h->apps * sizeof(struct bundle_app), h->size))
        return "says it has more applications than it can hold.";
    const struct bundle_app *apps = bundle_apps(bundle);
    for (uint32_t i = 0; i < h->apps; i++) {
        const char *wrong = app_check(bundle, h->size, &apps[i]);
        if (wrong)
            return wrong;
        for (uint32_t j = 0; j < i; j++) {
            if (!strcmp(apps[j].name, apps[i].name))
                return "has two applications of one name.";
            if (apps[i].mac && apps[j].mac == apps[i].mac)
                return "has two applications of one MAC.";
        }
    }
    return NULL;
}
