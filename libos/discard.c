/* SPDX-License-Identifier: MIT */
/*
 * discard.c - pages are wanted back: discardable ones are freed, or named to the kernel (discard.h).
 *
 *   Q1  the list holds pages that are mapped when it is written; one that has gone or moved since
 *       the kernel skips
 *   Q2  each page that was taken is told to `lost` once: it is noted before the list is written anew
 *
 * The event runs with upcalls off, on memory that is always there.
 */
#include "discard.h"

#include <errno.h>
#include <pthread.h>

#include "libos.h"
#include "prefer.h"

#define SPARE 8u /* pages freed beyond what is wanted: a stack that grows must not be the end */

static struct exo_preferred *list; /* a page that is always there; NULL: nothing is discardable */
static frame_t list_frame;
static uint64_t address_of[EXO_PREFER_MAX]; /* of each entry */
static uint32_t listed;

static uint64_t gone[EXO_PREFER_MAX]; /* addresses of pages that were taken and not told yet */
static uint32_t gone_count;
static bool wanted; /* `asked` is to be called */
static uint32_t events;

static void (*asked_hook)(uint64_t pages, uint64_t ns);
static void (*lost_hook)(void *address, size_t size);

static uint64_t unused_pages(void)
{
    return (uint64_t)exo_info(EXO_INFO_ENV, EXO_ENV_SELF, EXO_ENV_QUOTA + EXO_R_PAGES) -
           (uint64_t)exo_info(EXO_INFO_ENV, EXO_ENV_SELF, EXO_ENV_USED + EXO_R_PAGES);
}

static uint64_t missing(void)
{
    uint64_t pages = control->revocation.pages, unused = unused_pages();

    return pages > unused ? pages - unused : 0;
}

/* Q2 */
static void note_taken(void)
{
    for (uint32_t i = 0; i < listed; i++)
        if (list[i].outcome == EXO_PREFERRED_TAKEN && gone_count < EXO_PREFER_MAX) {
            gone[gone_count++] = address_of[i];
            list[i].outcome = EXO_PREFERRED_KEPT;
        }
}

static void make_list(void)
{
    listed = vm_discardable_pages(list, address_of, EXO_PREFER_MAX);
    exo_revoke_prefer(list_frame, listed); /* BUSY: pages are being taken along it */
}

/* Free discardable pages, at most so many. Whoever watches is told of them, too. */
static void free_some(uint64_t pages)
{
    while (pages) {
        uint32_t count =
            vm_discardable_pages(list, address_of, (uint32_t)MIN(pages, EXO_PREFER_MAX));
        if (!count)
            return;
        for (uint32_t i = 0; i < count; i++) {
            exo_pt_unmap((frame_t){list[i].table}, list[i].index);
            exo_page_free((frame_t){list[i].frame});
            if (lost_hook && gone_count < EXO_PREFER_MAX)
                gone[gone_count++] = address_of[i];
        }
        pages -= count;
    }
}

static void event(uint32_t reasons)
{
    if (list && reasons & EXO_UP_REPOSSESSED) {
        note_taken();
        if (unused_pages() < SPARE)
            free_some(SPARE - unused_pages());
    }
    if (reasons & EXO_UP_REVOKE && missing()) {
        wanted = true;
        if (list && !asked_hook)
            free_some(missing() + SPARE);
        if (list)
            make_list();
    }
    events++;
    thread_wake(&events, UINT32_MAX, UINT32_MAX);
}

long vm_discardable(void *address, size_t size)
{
    critical_enter();
    if (!list) {
        list = vm_alloc(1, EXO_DATA);
        list_frame = list ? vm_frame((uint64_t)list) : (frame_t){EXO_FRAME_NONE};
    }
    long result = list ? vm_set_discardable((uint64_t)address, size) : -ENOMEM;
    libos_revoke_hook = event;
    critical_exit();
    return result;
}

/* Tell the taken pages as stretches, outside of the critical part: `lost` may do anything. */
static void tell_lost(void)
{
    uint64_t start = 0, end = 0;

    for (bool more = true; more;) {
        critical_enter();
        more = gone_count > 0;
        uint64_t at = more ? gone[--gone_count] : 0;
        critical_exit();
        if (more && start == at + EXO_PAGE_SIZE) {
            start = at; /* they are noted upwards, and told downwards */
            continue;
        }
        if (start && lost_hook)
            lost_hook((void *)start, end - start);
        start = at;
        end = at + EXO_PAGE_SIZE;
    }
}

static void *watch(void *unused)
{
    (void)unused;
    for (;;) {
        uint32_t seen = *(volatile uint32_t *)&events;
        critical_enter();
        uint64_t pages = wanted ? missing() : 0, now = time_tsc(),
                 deadline = control->revocation.deadline;
        wanted = false;
        critical_exit();
        if (pages)
            asked_hook(pages, deadline > now ? time_ns_of(deadline - now) : 0);
        tell_lost();
        futex_call(&events, 0, seen, 0, false, 0);
    }
    return NULL;
}

bool libos_on_revoke(void (*asked)(uint64_t pages, uint64_t ns),
                     void (*lost)(void *address, size_t size))
{
    pthread_t thread;

    lost_hook = lost;
    asked_hook = asked;
    libos_revoke_hook = event;
    if (pthread_create(&thread, NULL, watch, NULL))
        return false;
    pthread_detach(thread);
    return true;
}
