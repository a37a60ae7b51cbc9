/* SPDX-License-Identifier: MIT */
/*
 * vtd.c - the remapping units of Intel VT-d: start them, and have them forget.
 *
 *   V1  a unit is used only if it can do all that is needed; either all are used or none
 *   V2  vtd_forget returns when every unit has forgotten, and what it let through has arrived
 *   V3  each wait has an end: a unit that does not answer is a panic, for no frame could be used
 *       again safely
 *
 * Commands go through the invalidation queue (6.5.2), which every unit since 2009 has and newer ones
 * have alone; one command and one wait at a time, so that the queue is empty between calls. All
 * units get each command: which device is under which need not be known, and cannot be wrong.
 */
#include "vtd.h"

#include "boot_info.h"
#include "io.h"
#include "machine.h"
#include "vtd_unit.h"
#include "x86_64.h"

/* 11.4.2, 11.4.3: capabilities. */
#define HAS_WRITE_BUFFER(c) ((c) >> 4 & 1)
#define KEEPS_EMPTY(c)      ((c) >> 7 & 1) /* caching mode: remembers that an entry is empty */
#define HAS_PROTECTED(c)    ((c) >> 5 & 3)
#define WIDTHS(c)           ((c) >> 8 & 31)
#define IS_COHERENT(m)      ((m)&1)
#define HAS_QUEUE(m)        ((m) >> 1 & 1)
#define WIDTH_3_LEVELS      2u
#define WIDTH_4_LEVELS      4u

/* 11.4.4: commands, and their places in the status; the bits of those that act once. */
#define TRANSLATE    (1u << 31)
#define SET_ROOT     (1u << 30)
#define FLUSH_BUFFER (1u << 27)
#define USE_QUEUE    (1u << 26)
#define REMAP        (1u << 25) /* interrupts */
#define KEPT         0x96ffffffu

/* 11.4.8.1: protected memory, by which firmware keeps devices out until somebody takes over. */
#define PROTECT_ON  (1u << 31)
#define PROTECT_NOW (1u << 0)

/* 6.5.2: descriptors of the queue, low word. */
#define FORGET_CONTEXTS  0x1ull
#define FORGET_ADDRESSES 0x2ull
#define WAIT             0x5ull
#define OF_ALL           (1ull << 4)
#define OF_DOMAIN        (2ull << 4)
#define DRAIN            (3ull << 6) /* writes and reads */
#define WAIT_STORE       (1ull << 5)
#define DOMAIN(id)       ((uint64_t)(id) << 16)

#define QUEUE_SLOTS      256u /* of 16 bytes: one page */

static struct vtd_unit units[EXO_BOOT_UNITS];
static uint32_t unit_count;

static uint32_t status(const struct vtd_unit *u)
{
    return mmio_read32(u->registers, STATUS);
}

static _Noreturn void silent(const struct vtd_unit *u, const char *what)
{
    panic("The IOMMU at 0x%lx does not %s: status 0x%x, faults 0x%x.", u->physical, what, status(u),
          mmio_read32(u->registers, FAULT_STATUS));
}

/* Until when to wait: a second, far longer than any command takes. */
static uint64_t limit(void)
{
    return rdtsc() + machine_tsc_hz;
}

/* 11.4.4: one command at a time, and the next when the status shows it. */
static void command(struct vtd_unit *u, uint32_t bit, bool on, bool shown)
{
    uint32_t kept = status(u) & KEPT & ~bit;
    uint64_t end = limit();

    mmio_write32(u->registers, COMMAND, kept | (on ? bit : 0));
    while (!(status(u) & bit) == shown) {
        if (rdtsc() > end)
            silent(u, "obey");
        pause();
    }
}

static void put(struct vtd_unit *u, uint64_t low, uint64_t high)
{
    uint64_t *slot = &u->queue[2 * u->tail];

    slot[0] = low;
    slot[1] = high;
    if (!IS_COHERENT(u->capability_more))
        mmio_write_back(slot, 16);
    u->tail = (u->tail + 1) % QUEUE_SLOTS;
}

static void submit(struct vtd_unit *u, uint64_t descriptor)
{
    uint64_t end = limit();

    *u->done = 0;
    put(u, descriptor, 0);
    put(u, WAIT | WAIT_STORE | 1ull << 32, u->done_address);
    /* The descriptors and `done` are stored before the tail that hands them over. */
    __atomic_thread_fence(__ATOMIC_RELEASE);
    mmio_write64(u->registers, QUEUE_TAIL, (uint64_t)u->tail << 4);
    while (!*u->done) {
        if (rdtsc() > end)
            silent(u, "carry out a command");
        pause();
    }
}

void vtd_stored(const void *at, uint64_t size)
{
    bool coherent = true;

    for (uint32_t i = 0; i < unit_count; i++)
        coherent &= IS_COHERENT(units[i].capability_more);
    if (!coherent)
        mmio_write_back(at, size);
}

/* 6.5.2: contexts first, then the addresses that they led to. */
static void forget(struct vtd_unit *u, uint16_t domain)
{
    if (HAS_WRITE_BUFFER(u->capability))
        command(u, FLUSH_BUFFER, true, false);
    if (domain == VTD_ALL)
        submit(u, FORGET_CONTEXTS | OF_ALL);
    submit(u, FORGET_ADDRESSES | DRAIN | (domain == VTD_ALL ? OF_ALL : OF_DOMAIN | DOMAIN(domain)));
}

void vtd_forget(uint16_t domain)
{
    for (uint32_t i = 0; i < unit_count; i++)
        forget(&units[i], domain);
}

/* 6.1 "Caching mode", 6.8 "Write buffer flushing". */
void vtd_added(uint16_t domain)
{
    bool forget = false;

    for (uint32_t i = 0; i < unit_count; i++)
        forget |= KEEPS_EMPTY(units[i].capability) || HAS_WRITE_BUFFER(units[i].capability);
    if (forget)
        vtd_forget(domain);
}

/* --- start ------------------------------------------------------------------------- */

static const char *find(struct vtd_unit *u, const struct boot_unit *given)
{
    uint32_t pages =
        5; /* faults are recorded at most 16,368 + 4,096 bytes from the start (11.4.2) */

    u->physical = given->registers;
    u->segment = given->segment;
    u->registers = mmio_map(given->registers, pages * EXO_PAGE_SIZE);
    if (!u->registers)
        return "its IOMMU has no registers that can be mapped";
    u->capability = mmio_read64(u->registers, CAPABILITY);
    u->capability_more = mmio_read64(u->registers, CAPABILITY_MORE);
    if (mmio_read32(u->registers, VERSION) == UINT32_MAX || u->capability == UINT64_MAX)
        return "its IOMMU does not answer";
    if (!HAS_QUEUE(u->capability_more))
        return "its IOMMU has no invalidation queue";
    return NULL;
}

const char *vtd_find(uint32_t *levels)
{
    uint32_t widths = WIDTH_3_LEVELS | WIDTH_4_LEVELS;

    unit_count = 0;
    for (uint32_t i = 0; i < boot.dma.unit_count; i++) {
        const char *wrong = find(&units[i], &boot.dma.units[i]);
        if (wrong)
            return wrong;
        widths &= WIDTHS(units[i].capability);
    }
    if (!widths)
        return "its IOMMUs have no width of addresses in common";
    *levels = widths & WIDTH_3_LEVELS ? 3 : 4;
    unit_count = boot.dma.unit_count;
    return NULL;
}

/* Whatever the firmware used the unit for is over: it has left its boot services. */
static void stop(struct vtd_unit *u)
{
    static const uint32_t bits[] = {TRANSLATE, REMAP, USE_QUEUE};

    for (uint32_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++)
        if (status(u) & bits[i])
            command(u, bits[i], false, false);
}

static void unprotect(struct vtd_unit *u)
{
    uint64_t end = limit();

    if (!HAS_PROTECTED(u->capability))
        return;
    mmio_write32(u->registers, PROTECTED, mmio_read32(u->registers, PROTECTED) & ~PROTECT_ON);
    while (mmio_read32(u->registers, PROTECTED) & PROTECT_NOW)
        if (rdtsc() > end)
            silent(u, "open its protected memory");
}

static void start(struct vtd_unit *u, uint64_t root)
{
    stop(u);
    u->queue = boot_alloc(1, &u->queue_address);
    u->done = boot_alloc(1, &u->done_address);
    u->tail = 0;
    mmio_write64(u->registers, ROOT, root);
    command(u, SET_ROOT, true, true);
    mmio_write64(u->registers, QUEUE_TAIL, 0);
    mmio_write64(u->registers, QUEUE, u->queue_address); /* one page, descriptors of 16 bytes */
    command(u, USE_QUEUE, true, true);
    forget(u, VTD_ALL);
    faults_start(u);
    command(u, TRANSLATE, true, true);
    unprotect(u); /* not before devices are kept out by the tables */
}

void vtd_start(uint64_t root, uint64_t others)
{
    for (uint32_t i = 0; i < unit_count; i++)
        start(&units[i], units[i].segment ? others : root);
}
