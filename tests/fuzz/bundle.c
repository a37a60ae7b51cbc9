/* SPDX-License-Identifier: MIT */
/*
 * bundle.c - init's check of a bundle.
 *
 * The first byte says whether the rest gets a size and a checksum that are right (a fuzzer finds
 * neither), or is taken as it is.
 */
#include "target.h"

#include "../unit/init/promises.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    uint32_t at = BUNDLE_APPS + 1;

    if (!size--)
        return 0;
    char *room = malloc(16 + size), *bundle = room + 16;
    memcpy(bundle, bytes + 1, size);
    struct bundle_header *header = (void *)bundle;
    if (!(*bytes & 1) && size >= sizeof(*header)) {
        header->magic = BUNDLE_MAGIC;
        header->version = BUNDLE_VERSION;
        header->size = size;
        header->crc = bundle_crc(bundle, size);
    }
    const char *wrong = bundle_check(bundle, size, &at);
    MUST(at <= BUNDLE_APPS, "it names application %u", at);
    if (!wrong) {
        MUST(at == BUNDLE_APPS, "nothing is wrong, but with application %u", at);
        MUST(inv_bundle(bundle), "an accepted bundle breaks its promises");
    }
    free(room);
    return 0;
}
