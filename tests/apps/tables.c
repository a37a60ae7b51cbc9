/* SPDX-License-Identifier: MIT */
/*
 * tables.c - reads the kernel's tables as memory and compares them with what calls say.
 *
 * usage: tables [blind]    `blind`: it has no right to, and must see nothing
 */
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "event.h"
#include "large.h"
#include "libos.h"
#include "readable.h"

#define SELF ((env_t){EXO_ENV_SELF})

static int64_t about_me(uint32_t index)
{
    return exo_info(EXO_INFO_ENV, EXO_ENV_SELF, index);
}

/* Each frame is ours in the table exactly if the kernel tells us about it, and then it tells the same. */
static void frames_agree(const volatile struct exo_frame_fact *fact, uint32_t count)
{
    uint32_t self = EXO_ENV_SLOT((uint32_t)about_me(EXO_ENV_SELF_NAME)), own = 0, wrong = 0;

    for (uint32_t n = 0; n < count; n++) {
        int64_t type = exo_info(EXO_INFO_FRAME, n, EXO_FRAME_TYPE);
        bool mine = fact[n].owner == self;
        own += mine;
        wrong += mine != (type >= 0);
        if (mine)
            wrong += fact[n].type != type ||
                     fact[n].mapped != exo_info(EXO_INFO_FRAME, n, EXO_FRAME_MAPPED) ||
                     fact[n].pinned != exo_info(EXO_INFO_FRAME, n, EXO_FRAME_PINNED);
    }
    check(!wrong, "each frame is what the kernel says");
    check(own == about_me(EXO_ENV_USED + EXO_R_PAGES), "as many frames are ours as are counted");
    int64_t free, told;
    do { /* until nobody took or freed one meanwhile */
        told = exo_info(EXO_INFO_MACHINE, 0, EXO_MACHINE_FREE);
        free = 0;
        for (uint32_t n = 0; n < count; n++)
            free += fact[n].type == EXO_FREE;
    } while (exo_info(EXO_INFO_MACHINE, 0, EXO_MACHINE_FREE) != told);
    check(free == told, "as many are free");
    check(fact[about_me(EXO_ENV_ROOT)].type == EXO_PML4, "our root table is one");
}

/* What is taken, mapped, freed is seen at once, without a call. */
static void frames_follow(const volatile struct exo_frame_fact *fact)
{
    int64_t n = exo_page_alloc(SELF, (frame_t){EXO_FRAME_ANY}, EXO_DATA);

    check(n > 0 && fact[n].type == EXO_DATA && !fact[n].mapped, "a frame is taken, and seen to be");
    critical_enter();
    vm_window((frame_t){(uint32_t)n});
    bool mapped = fact[n].mapped == 1;
    vm_window((frame_t){EXO_FRAME_NONE});
    critical_exit();
    check(mapped && !fact[n].mapped, "so is that it is mapped");
    exo_page_free((frame_t){(uint32_t)n});
    check(fact[n].type == EXO_FREE && !fact[n].owner, "so is that it is free");
}

static void accounts_agree(const volatile struct exo_account *account, uint32_t count)
{
    uint32_t name = (uint32_t)about_me(EXO_ENV_SELF_NAME),
             parent = (uint32_t)about_me(EXO_ENV_PARENT);
    const volatile struct exo_account *mine = &account[EXO_ENV_SLOT(name)];
    uint64_t since = time_tsc();

    while (mine->when < since)
        notify_wait(EXO_SLICE_NS);
    check(mine->name.n == name && mine->parent.n == parent && mine->state == EXO_ENV_LIVE &&
              !strcmp((const char *)mine->label, libos_name()),
          "our account is ours");
    check(mine->slices == about_me(EXO_ENV_SLICES) &&
              mine->used[EXO_R_PAGES] == about_me(EXO_ENV_USED + EXO_R_PAGES) &&
              mine->quota[EXO_R_PAGES] == about_me(EXO_ENV_QUOTA + EXO_R_PAGES) &&
              mine->quota[EXO_R_GRANTS] == about_me(EXO_ENV_QUOTA + EXO_R_GRANTS),
          "it says what we have");
    check(mine->ticks && mine->ticks <= (uint64_t)about_me(EXO_ENV_TICKS) &&
              mine->calls <= (uint64_t)about_me(EXO_ENV_CALLS),
          "and how we fare");
    uint32_t living = 0;
    for (uint32_t slot = 0; slot < count; slot++)
        living += account[slot].name.n && account[slot].state == EXO_ENV_LIVE;
    check(living >= 2 && !strcmp((const char *)account[EXO_ENV_SLOT(parent)].label, "init"),
          "others have theirs");
}

/* Reading is all that the right gives. */
static void writing_is_refused(void)
{
    int64_t first = exo_info(EXO_INFO_MACHINE, 0, EXO_MACHINE_OWNERS);
    long place = vm_map(0, EXO_PAGE_SIZE, VM_SHARED, false);
    frame_t frame = {(uint32_t)first};

    critical_enter();
    bool refused = !vm_map_frame((uint64_t)place, frame, EXO_WRITE) &&
                   !vm_map_frame((uint64_t)place, frame, EXO_EXEC);
    critical_exit();
    check(refused, "they cannot be mapped to be written or executed");
    check(exo_page_free(frame) == -EXO_E_OWNER &&
              exo_page_alloc(SELF, frame, EXO_DATA) == -EXO_E_BUSY &&
              exo_console_write(frame, 0, 8) == -EXO_E_OWNER &&
              exo_page_grant(frame, (env_t){(uint32_t)about_me(EXO_ENV_PARENT)}, 0, 0) ==
                  -EXO_E_OWNER,
          "nor freed, taken, printed or granted");
}

/* A block is one entry and 512 pages of the quota; it comes zeroed, is all there, and goes again. */
static void blocks_work(const volatile struct exo_frame_fact *fact)
{
    int64_t before = about_me(EXO_ENV_USED + EXO_R_PAGES);
    volatile uint64_t *words = large_alloc();
    uint64_t wrong = 0;

    check(words && (uint64_t)words % LARGE_BLOCK == 0, "a block is mapped");
    for (uint64_t i = 0; words && i < LARGE_BLOCK / 8; i++) {
        wrong += words[i] != 0;
        words[i] = i;
    }
    for (uint64_t i = 0; words && i < LARGE_BLOCK / 8; i++)
        wrong += words[i] != i;
    check(!wrong, "it is zeroed, and holds what is written to each word");
    uint32_t self = EXO_ENV_SLOT((uint32_t)about_me(EXO_ENV_SELF_NAME)), n = 1;
    while (fact[n].type != EXO_BLOCK || fact[n].owner != self)
        n++;
    check(n % EXO_BLOCK_FRAMES == 0 && fact[n].mapped == 1 && fact[n + 1].type == EXO_PART,
          "the table of frames shows it");
    check(about_me(EXO_ENV_USED + EXO_R_PAGES) >= before + (int64_t)EXO_BLOCK_FRAMES, "it is paid");
    large_free((void *)words);
    check(fact[n].type == EXO_FREE && fact[n + 511].type == EXO_FREE, "it is free again");
}

static void runs_work(void)
{
    enum { PAGES = 70 };
    char *pages = large_contiguous(PAGES);
    bool beside = pages;

    critical_enter();
    for (uint32_t i = 1; beside && i < PAGES; i++)
        beside = vm_frame((uint64_t)pages + i * EXO_PAGE_SIZE).n == vm_frame((uint64_t)pages).n + i;
    critical_exit();
    check(beside, "pages whose frames lie side by side");
    if (pages)
        memset(pages, 1, PAGES * EXO_PAGE_SIZE);
    check(pages && pages[PAGES * EXO_PAGE_SIZE - 1] == 1, "they can be written");
    check(!large_contiguous(1u << 20), "a run that no quota pays for is not found");
}

int main(int argc, char **argv)
{
    uint32_t frames, accounts;
    const volatile struct exo_frame_fact *fact = readable_frames(&frames);
    const volatile struct exo_account *account = readable_accounts(&accounts);

    if (argc > 1 && !strcmp(argv[1], "blind")) {
        check(!fact && !account, "without the right nothing is seen");
        return failed;
    }
    check(fact && account, "both tables are mapped");
    if (failed)
        return 1;
    frames_agree(fact, frames);
    frames_follow(fact);
    accounts_agree(account, accounts);
    writing_is_refused();
    blocks_work(fact);
    runs_work();
    if (!failed)
        *(volatile uint8_t *)&fact[0].type = 9; /* and now it dies */
    return 1;
}
