/* SPDX-License-Identifier: MIT */
/*
 * share.c - memory shared with other applications, by grants (share.h).
 *
 * The tag of each grant says which page of which share it is: number, index of the page, and how
 * many there are less one. Grants of others are found by walking the list of those received; who
 * granted what is asked of the kernel, so nobody can pose as another.
 */
#include "share.h"

#include <string.h>

#include "directory.h"
#include "libos.h"

#define TAG(number, index, pages) ((uint32_t)(number) << 24 | (uint32_t)(index) << 12 | ((pages)-1))
#define TAG_NUMBER(tag)           ((tag) >> 24)
#define TAG_INDEX(tag)            ((tag) >> 12 & 0xfff)
#define TAG_PAGES(tag)            (((tag)&0xfff) + 1)

env_t peer_find(const char *name)
{
    const volatile struct exo_directory *page = (const void *)EXO_DIRECTORY_ADDRESS;
    env_t found = {EXO_ENV_SELF};

    critical_enter();
    bool there = vm_mapped(EXO_DIRECTORY_ADDRESS);
    critical_exit();
    if (!there || page->magic != EXO_DIRECTORY_MAGIC)
        return found;
    /* Names do not change while the machine runs, and the environment is one word: no need to look
     * at `change`. */
    for (uint32_t i = 0; i < page->count; i++)
        if (!strcmp((const char *)page->entries[i].name, name))
            found.n = page->entries[i].env.n;
    return found;
}

/* The next grant of a share after `from` on a list of grants; 0: there is none. */
static uint32_t next_of(env_t peer, uint32_t number, uint32_t side, uint32_t from)
{
    while (from) {
        int64_t other = exo_info(EXO_INFO_GRANT, from, side);
        int64_t tag = exo_info(EXO_INFO_GRANT, from, EXO_GRANT_TAG);
        if (other == peer.n && tag >= 0 && TAG_NUMBER((uint32_t)tag) == number)
            return from;
        int64_t next = exo_info(EXO_INFO_GRANT, from, EXO_GRANT_NEXT);
        from = next > 0 ? (uint32_t)next : 0;
    }
    return 0;
}

static uint32_t following(uint32_t grant)
{
    int64_t next = exo_info(EXO_INFO_GRANT, grant, EXO_GRANT_NEXT);

    return next > 0 ? (uint32_t)next : 0;
}

static uint32_t first_of(uint32_t list)
{
    return (uint32_t)exo_info(EXO_INFO_ENV, EXO_ENV_SELF, list);
}

/* End all grants of a share on one list; how many. */
static uint32_t end_all(env_t peer, uint32_t number, uint32_t list, uint32_t side)
{
    uint32_t count = 0, at = next_of(peer, number, side, first_of(list));

    while (at) {
        uint32_t after = following(at);
        count += exo_page_ungrant((grant_t){at}) == 0;
        at = next_of(peer, number, side, after);
    }
    return count;
}

int64_t share_offer(env_t peer, uint32_t number, const void *address, uint32_t pages, uint32_t perm)
{
    int64_t result = pages && pages <= SHARE_PAGES && number < SHARE_NUMBERS ? 0 : -EXO_E_RANGE;

    critical_enter();
    for (uint32_t i = 0; i < pages && result >= 0; i++) {
        frame_t frame = vm_frame((uint64_t)address + (uint64_t)i * EXO_PAGE_SIZE);
        result = exo_page_grant(frame, peer, perm, TAG(number, i, pages));
    }
    if (result < 0)
        end_all(peer, number, EXO_ENV_GIVEN, EXO_GRANT_GRANTEE);
    critical_exit();
    return result < 0 ? result : 0;
}

uint32_t share_take_back(env_t peer, uint32_t number)
{
    critical_enter();
    uint32_t count = end_all(peer, number, EXO_ENV_GIVEN, EXO_GRANT_GRANTEE);
    critical_exit();
    return count;
}

/* How many pages a share has, if all of them are offered; else 0. */
static uint32_t offered(env_t peer, uint32_t number)
{
    uint32_t count = 0, pages = 0, at = first_of(EXO_ENV_RECEIVED);

    while ((at = next_of(peer, number, EXO_GRANT_GRANTER, at))) {
        uint32_t tag = (uint32_t)exo_info(EXO_INFO_GRANT, at, EXO_GRANT_TAG);
        pages = TAG_PAGES(tag);
        count++;
        at = following(at);
    }
    return count == pages ? pages : 0;
}

/* Map all pages of a share into a reserved range. False: not all can be. */
static bool place(env_t peer, uint32_t number, uint32_t perm, uint64_t start, uint32_t pages)
{
    uint32_t at = first_of(EXO_ENV_RECEIVED);

    while ((at = next_of(peer, number, EXO_GRANT_GRANTER, at))) {
        uint32_t index = TAG_INDEX((uint32_t)exo_info(EXO_INFO_GRANT, at, EXO_GRANT_TAG));
        if (index >= pages ||
            !vm_map_grant(start + (uint64_t)index * EXO_PAGE_SIZE, (grant_t){at}, perm))
            return false;
        at = following(at);
    }
    return true;
}

void *share_map(env_t peer, uint32_t number, uint32_t perm, uint32_t *pages)
{
    uint64_t size;

    critical_enter();
    *pages = offered(peer, number);
    size = (uint64_t)*pages * EXO_PAGE_SIZE;
    long start = size ? vm_map(0, size, VM_SHARED, false) : -1;
    if (start > 0 && !place(peer, number, perm, (uint64_t)start, *pages)) {
        vm_unmap((uint64_t)start, size);
        start = -1;
    }
    critical_exit();
    return start > 0 ? (void *)start : NULL;
}

void share_unmap(env_t peer, uint32_t number, void *address, uint32_t pages)
{
    critical_enter();
    end_all(peer, number, EXO_ENV_RECEIVED, EXO_GRANT_GRANTER);
    vm_unmap((uint64_t)address, (uint64_t)pages * EXO_PAGE_SIZE);
    critical_exit();
}
