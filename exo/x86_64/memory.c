/* SPDX-License-Identifier: MIT */
/*
 * memory.c - the kernel's own memory: boot allocations, device mappings, the frame table.
 *
 *   M1  no page of the kernel is writable and executable, nor is what is read-only (its code and
 *       constants) writable at another address, nor anything of it open to applications     memory_check, at each boot
 *   M2  after memory_give_to_core the kernel allocates nothing
 */
#include "account.h"
#include "block.h"
#include "env.h"
#include "frame.h"
#include "io.h"
#include "machine.h"
#include "mmio.h"
#include "table.h"
#include "tables.h"
#include "trace.h"
#include "x86_64.h"

#define PTE_COMBINE     0x008ull /* PWT alone: write-combining, as features.c sets the PAT */
#define PTE_NO_CACHE    0x018ull /* PCD and PWT: uncached */
#define PTE_GLOBAL      0x100ull

#define FOUR_GIB_FRAMES (1ull << 20)
#define TABLES_SHARE    64u /* of the memory is for the kernel's tables: one of so many parts */

/* The table of frames is readable by applications. */
#define SAME(field)                                                                                \
    _Static_assert(offsetof(struct frame, field) == offsetof(struct exo_frame_fact, field),        \
                   "facts.h says where it is")
SAME(type);
SAME(owner);
SAME(entries);
SAME(pinned);
SAME(mapped);
SAME(granted);
_Static_assert(sizeof(struct frame) == sizeof(struct exo_frame_fact),
               "facts.h says how large it is");

void switch_init(void);

static uint64_t mmio_next = EXO_MMIO_BASE;
static bool given;

static uint64_t *table_at(uint64_t physical)
{
    return (uint64_t *)(EXO_DIRECT_MAP + (physical & PTE_ADDRESS));
}

/* The largest run of usable frames, below 4 GiB if there is one that holds `count`. */
static struct boot_region *region_for(uint64_t count)
{
    struct boot_region *best = NULL;

    for (uint32_t i = 0; i < boot.region_count; i++) {
        struct boot_region *r = &boot.regions[i];
        bool low = r->first + r->count <= FOUR_GIB_FRAMES;
        bool best_low = best && best->first + best->count <= FOUR_GIB_FRAMES;
        if (r->count < count)
            continue;
        if (!best || (low && !best_low) || (low == best_low && r->count > best->count))
            best = r;
    }
    return best;
}

void *boot_alloc(uint64_t count, uint64_t *physical)
{
    struct boot_region *region = given ? NULL : region_for(count);

    if (!region)
        panic("There is too little memory: the kernel needs %lu KiB in one piece.", count * 4);
    region->count -= count;
    *physical = (region->first + region->count) << EXO_PAGE_SHIFT;
    void *memory = table_at(*physical);
    __builtin_memset(memory, 0, count << EXO_PAGE_SHIFT);
    return memory;
}

/* The entry of the kernel's tables for `address`, with tables made where missing. */
static uint64_t *entry_for(uint64_t address)
{
    uint64_t *table = table_at(read_cr3());

    for (int shift = 39; shift > 12; shift -= 9) {
        uint64_t *entry = &table[address >> shift & 511], physical;
        if (!*entry) {
            boot_alloc(1, &physical);
            *entry = physical | PTE_PRESENT | PTE_WRITE;
        }
        if (*entry & PTE_LARGE)
            panic("The loader mapped 0x%lx with a large page.", address);
        table = table_at(*entry);
    }
    return &table[address >> 12 & 511];
}

static volatile void *map(uint64_t address, uint64_t size, uint64_t cache)
{
    uint64_t first = address & ~(EXO_PAGE_SIZE - 1ull), start = mmio_next;

    if (size == 0 || address + size < address || (address + size - 1) & ~(PTE_ADDRESS | 0xfff))
        return NULL;
    for (uint64_t at = first; at < address + size; at += EXO_PAGE_SIZE) {
        *entry_for(mmio_next) = at | PTE_PRESENT | PTE_WRITE | PTE_NX | PTE_GLOBAL | cache;
        mmio_next += EXO_PAGE_SIZE;
    }
    mmio_next += EXO_PAGE_SIZE; /* a hole: running past the end of a device faults */
    return (volatile void *)(start + (address - first));
}

volatile void *mmio_map(uint64_t address, uint64_t size)
{
    return map(address, size, PTE_NO_CACHE);
}

volatile void *mmio_map_framebuffer(uint64_t address, uint64_t size)
{
    return map(address, size, PTE_COMBINE);
}

void memory_place(uint64_t page)
{
    uint64_t physical;

    boot_alloc(1, &physical);
    *entry_for(page) = physical | PTE_PRESENT | PTE_WRITE | PTE_NX | PTE_GLOBAL;
}

volatile uint64_t *memory_window(void)
{
    volatile uint64_t *window = (volatile uint64_t *)mmio_next;

    mmio_next += 2 * EXO_PAGE_SIZE;
    return window;
}

void memory_window_set(volatile uint64_t *window, uint64_t physical)
{
    *(volatile uint64_t *)entry_for((uint64_t)window) =
        physical ? physical | PTE_PRESENT | PTE_NX | PTE_GLOBAL : 0;
}

/* The entry that maps `address`, 0 if none; *shift becomes the size of what it, or the hole, spans.
 */
static uint64_t leaf_of(uint64_t address, int *shift)
{
    uint64_t table = read_cr3();

    for (*shift = 39;; *shift -= 9) {
        uint64_t entry = table_at(table)[address >> *shift & 511];
        if (!(entry & PTE_PRESENT))
            return 0;
        if (*shift == 12 || (entry & PTE_LARGE))
            return entry;
        table = entry;
    }
}

bool memory_direct_write(uint64_t physical, bool allow)
{
    uint64_t address = EXO_DIRECT_MAP + physical;
    int shift;

    if (!leaf_of(address, &shift) || shift != EXO_PAGE_SHIFT)
        return false;
    uint64_t *entry = entry_for(address);
    *entry = allow ? *entry | PTE_WRITE : *entry & ~PTE_WRITE;
    __asm__ volatile("invlpg (%0)" : : "r"(address) : "memory");
    return true;
}

void memory_check(void)
{
    int shift, other;

    for (uint64_t at = EXO_DIRECT_MAP; at; at = ((at >> shift) + 1) << shift) {
        uint64_t entry = leaf_of(at, &shift);
        if (!entry)
            continue;
        if (entry & PTE_USER)
            panic("The kernel's page at 0x%lx is open to applications.", at);
        if (entry & PTE_WRITE) {
            if (!(entry & PTE_NX))
                panic("The kernel's page at 0x%lx is writable and executable.", at);
            continue;
        }
        if (leaf_of(EXO_DIRECT_MAP + (entry & PTE_ADDRESS), &other) & PTE_WRITE)
            panic("The kernel's read-only page at 0x%lx is writable through the direct map.", at);
    }
}

void memory_init(void)
{
    uint64_t *root = table_at(read_cr3()), physical;

    /* The loader's identity map goes, the place for device mappings comes: fixed from now on. */
    for (int i = 0; i < 256; i++)
        root[i] = 0;
    boot_alloc(1, &physical);
    root[EXO_MMIO_BASE >> 39 & 511] = physical | PTE_PRESENT | PTE_WRITE;
    write_cr3(read_cr3());
    switch_init();
}

/* Tables for as many environments, queues and slices as 1/TABLES_SHARE of the memory holds. */
void memory_tables(void)
{
    struct table_counts counts = {EXO_ENVS, EXO_QUEUES, EXO_SLICES, EXO_GRANTS, machine_cpus};
    uint64_t frames_usable = 0, physical;

    for (uint32_t i = 0; i < boot.region_count; i++)
        frames_usable += boot.regions[i].count;
    counts.slices /= machine_cpus;
    while (counts.envs > EXO_TABLES_LEAST &&
           tables_lay(NULL, &counts) > frames_usable * EXO_PAGE_SIZE / TABLES_SHARE) {
        counts.envs -= EXO_TABLES_LEAST;
        counts.queues = counts.envs;
        counts.slices = counts.envs < counts.slices ? counts.envs : counts.slices;
        counts.grants = EXO_GRANTS / EXO_ENVS * counts.envs;
    }
    uint64_t bytes = tables_lay(NULL, &counts);
    tables_lay(boot_alloc((bytes + EXO_PAGE_SIZE - 1) / EXO_PAGE_SIZE, &physical), &counts);
    klog("Room for %u environments, %u network queues, %u slices: %lu KiB.", counts.envs,
         counts.queues, counts.cpus * counts.slices, bytes / 1024);
}

void memory_give_to_core(void)
{
    uint64_t bytes = boot.max_frame * sizeof(struct frame), owners, first, anywhere, rings;

    if (boot.max_frame >> 32)
        panic("There is more memory than 32-bit frame numbers can name.");
    struct frame *table = boot_alloc((bytes + EXO_PAGE_SIZE - 1) / EXO_PAGE_SIZE, &owners);
    bytes = env_count * sizeof(struct exo_account);
    struct exo_account *copies = boot_alloc((bytes + EXO_PAGE_SIZE - 1) / EXO_PAGE_SIZE, &first);
    bytes = (boot.max_frame / EXO_BLOCK_FRAMES + 1) * sizeof(struct block);
    struct block *block_table = boot_alloc((bytes + EXO_PAGE_SIZE - 1) / EXO_PAGE_SIZE, &anywhere);
    void *traces = boot_alloc((uint64_t)machine_cpus * EXO_TRACE_CPU_FRAMES, &rings);
    given = true;
    frame_init(table, (uint32_t)boot.max_frame);
    block_init(block_table, EXO_BLOCK_FRAMES);
    account_init((frame_t){(uint32_t)(owners >> EXO_PAGE_SHIFT)}, copies,
                 (frame_t){(uint32_t)(first >> EXO_PAGE_SHIFT)});
    trace_init(traces, (frame_t){(uint32_t)(rings >> EXO_PAGE_SHIFT)});
    for (uint32_t i = boot.region_count; i-- > 0;)
        frame_add_free((uint32_t)boot.regions[i].first, (uint32_t)boot.regions[i].count);
    if (boot.low_first) /* smp.c is done with it */
        frame_add_free((uint32_t)boot.low_first, EXO_BOOT_LOW);
}
