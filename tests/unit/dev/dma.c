/* SPDX-License-Identifier: MIT */
/* dma.c - which memory devices reach, with remapping units of several kinds on the host. */
#include "units.h"

#include <string.h>

#define CARD   0x0010u /* 00:02.0 */
#define OTHER  0x0218u /* 02:03.0 */
#define NOBODY 0x0020u
#define PAGE   (uint64_t) EXO_PAGE_SIZE
#define WINDOW (512 * PAGE)
#define WHOLE  (WINDOW + queue_count * EXO_QUEUE_FRAMES * PAGE)
#define PLAIN  ((struct kind){.coherent = true, .widths = 2})
#define KINDS  (sizeof(kinds) / sizeof(*kinds))

static const struct kind kinds[] = {
    {.coherent = true, .widths = 2},
    {.coherent = false, .widths = 6},
    {.coherent = false, .widths = 4, .left_on = true},
    {.coherent = true, .widths = 4, .keeps_empty = true},
    {.coherent = false, .widths = 2, .keeps_empty = true, .write_buffer = true, .left_on = true},
};

static const struct pci_device card = {0, 2, 0, 0, 0}, other = {2, 3, 0, 0, 0};
static struct nic nics_made[2];

static bool said(const char *text)
{
    return strstr(log_text, text);
}

static uint32_t times(const char *text)
{
    uint32_t count = 0;

    for (const char *at = log_text; (at = strstr(at, text)); at++)
        count++;
    return count;
}

static uint32_t refusal(uint16_t id, uint64_t address, bool write)
{
    uint32_t reason;

    ask(0, id, address, write, &reason);
    return reason;
}

static bool reads(uint16_t id, uint64_t address, uint64_t physical)
{
    uint32_t reason;

    return ask(0, id, address, false, &reason) == physical && !reason;
}

static bool writes(uint16_t id, uint64_t address, uint64_t physical)
{
    uint32_t reason;

    return ask(0, id, address, true, &reason) == physical && !reason;
}

static uint64_t place(uint32_t queue, uint32_t index)
{
    return WINDOW + (queue * EXO_QUEUE_FRAMES + index) * PAGE;
}

/* How many of the pages that could ever be mapped for a device it can read, or write. */
static uint32_t reached(uint16_t id, bool write)
{
    uint32_t count = 0;

    for (uint64_t at = 0; at < WHOLE + 1024 * PAGE; at += PAGE)
        count += !refusal(id, at, write);
    return count;
}

static struct nic *attach(const struct pci_device *device, uint32_t n)
{
    nics_made[n] = (struct nic){.name = n ? "second" : "first"};
    if (!dma_attach(device))
        return NULL;
    dma_bind(device, &nics_made[n]);
    return &nics_made[n];
}

static void test_without(void)
{
    static const struct {
        uint32_t state;
        const char *why;
    } states[] = {{EXO_DMA_NONE, "it has no Intel VT-d"},
                  {EXO_DMA_BROKEN, "its firmware's DMAR table is broken"},
                  {EXO_DMA_MANY, "its firmware's DMAR table is longer"}};
    uint64_t address;

    for (uint32_t i = 0; i < sizeof(states) / sizeof(*states); i++) {
        machine_make(0, PLAIN);
        boot.dma.state = states[i].state;
        dma_init();
        tap_ok(times("DMA is not confined on this machine: ") == 1 && said(states[i].why) &&
                   !dma_confined(),
               "the log says once: %s", states[i].why);
    }
    struct nic *nic = attach(&card, 0);
    void *memory = dma_alloc(&card, 2, DMA_READ, &address);
    dma_map(nic, 0, 0, (frame_t){7});
    dma_unmap(nic, 0);
    tap_ok(nic && !nic->window &&
               machine_frame((frame_t){(uint32_t)(address >> EXO_PAGE_SHIFT)}) == memory,
           "addresses are physical then");
}

static void test_unusable(void)
{
    machine_make(2, PLAIN);
    units_model[1].gone = true;
    dma_init();
    tap_ok(!dma_confined() && said("does not answer") && !units_model[0].restarts,
           "a unit that is not there: none is used");
    machine_make(2, PLAIN);
    units_model[1].no_queue = true;
    dma_init();
    tap_ok(!dma_confined() && said("no invalidation queue"), "one without a queue for commands");
    machine_make(2, PLAIN);
    units_model[1].unmapped = true;
    dma_init();
    tap_ok(!dma_confined() && said("no registers that can be mapped"), "one with no registers");
    machine_make(1, (struct kind){.coherent = true, .widths = 8});
    dma_init();
    tap_ok(!dma_confined() && said("no width of addresses"), "one with other tables");
}

static void test_kind(const struct kind *kind, uint32_t n)
{
    uint64_t rings, headers, into;

    machine_make(2, *kind);
    boot.dma.units[1].segment = 1;
    dma_init();
    tap_ok(dma_confined() && times("DMA is confined by 2 IOMMUs") == 1 &&
               units_model[0].restarts == 1 && units_model[1].restarts == 1,
           "kind %u: both units translate", n);
    tap_ok(refusal(CARD, 0x1000, false) == 1 && refusal(OTHER, 0, true) == 1,
           "kind %u: at first no device reaches anything", n);
    struct nic *a = attach(&card, 0), *b = attach(&other, 1);
    tap_ok(a && b && a->window == WINDOW && !reached(CARD, false) && !reached(OTHER, true) &&
               refusal(NOBODY, PAGE, false) == 2,
           "kind %u: nor does one that is attached", n);
    uint64_t at[3];
    const uint32_t access[3] = {DMA_READ | DMA_WRITE, DMA_READ, DMA_WRITE};
    void *memory[3];
    for (uint32_t i = 0; i < 3; i++)
        memory[i] = dma_alloc(&card, 2, access[i], &at[i]);
    rings = at[0], headers = at[1], into = at[2];
    uint32_t reason;
    uint64_t physical = ask(0, CARD, rings + PAGE + 8, true, &reason);
    tap_ok(rings &&
               machine_frame((frame_t){(uint32_t)(physical >> EXO_PAGE_SHIFT)}) ==
                   (uint8_t *)memory[0] + PAGE &&
               (physical & 0xfff) == 8,
           "kind %u: its driver's memory is where it was told", n);
    tap_ok(!refusal(CARD, rings, false) && !refusal(CARD, headers, false) &&
               refusal(CARD, headers, true) == 5 && !refusal(CARD, into, true) &&
               refusal(CARD, into, false) == 6,
           "kind %u: to read, to write, or both, as it was asked for", n);
    tap_ok(reached(CARD, false) == 4 && reached(CARD, true) == 4 && !reached(OTHER, false),
           "kind %u: and nothing else, and nobody else", n);

    dma_map(a, 0, 0, (frame_t){0x77});
    dma_map(a, queue_count - 1, EXO_QUEUE_FRAMES - 1, (frame_t){0x78});
    dma_map(b, 0, 0, (frame_t){0x79});
    tap_ok(reads(CARD, place(0, 0) + 5, 0x77005) &&
               reads(CARD, place(queue_count - 1, EXO_QUEUE_FRAMES - 1), 0x78000) &&
               reads(OTHER, place(0, 0), 0x79000),
           "kind %u: buffers are at their places, for each card its own", n);
    tap_ok(refusal(CARD, place(0, 0), true) == 5 && reached(CARD, true) == 4 &&
               reached(CARD, false) == 6 && reached(OTHER, false) == 1,
           "kind %u: to be read alone", n);
    dma_unmap(a, 0);
    tap_ok(refusal(CARD, place(0, 0), false) == 6 &&
               reads(CARD, place(queue_count - 1, EXO_QUEUE_FRAMES - 1), 0x78000) &&
               reads(OTHER, place(0, 0), 0x79000) && reached(CARD, false) == 5,
           "kind %u: a queue's go at once, though the unit knew them; others' stay", n);
    dma_map(a, 0, 0, (frame_t){0x7a});
    tap_ok(reads(CARD, place(0, 0), 0x7a000), "kind %u: and the place can be used again", n);
    ask(1, CARD, rings, false, &reason);
    tap_ok(reason == 1, "kind %u: a device of another segment that has its name reaches nothing",
           n);
    tap_ok(!units_model[0].flushes == !kind->write_buffer, "kind %u: write buffers", n);
    for (uint32_t i = 0; i < UNITS; i++)
        tap_ok(!units_model[i].wrong, "kind %u: %s", n,
               units_model[i].wrong ? units_model[i].wrong : "the unit was treated well");
}

/* Many commands: the queue of commands goes round. */
static void test_many(void)
{
    uint32_t wrong = 0;

    machine_make(1, kinds[1]);
    dma_init();
    struct nic *nic = attach(&card, 0);
    for (uint32_t i = 1; i < 1000; i++) {
        dma_map(nic, i % queue_count, i % EXO_QUEUE_FRAMES, (frame_t){i});
        wrong += !reads(CARD, place(i % queue_count, i % EXO_QUEUE_FRAMES), i * PAGE);
        dma_unmap(nic, i % queue_count);
        wrong += refusal(CARD, place(i % queue_count, i % EXO_QUEUE_FRAMES), false) != 6;
    }
    tap_ok(!wrong && !units_model[0].wrong && units_model[0].forgotten >= 1000,
           "a thousand times, with one command each time");
}

static void test_reserved(void)
{
    machine_make(1, PLAIN);
    display = 0x0030;
    boot.region_count = 1;
    boot.regions[0] = (struct boot_region){0x200, 0x10};
    boot.dma.reserved_count = 4;
    boot.dma.reserved[0] = (struct boot_reserved){0x40000000, 0x40002fff, 0x0030};
    boot.dma.reserved[1] = (struct boot_reserved){0x20f000, 0x20ffff, 0x0030};
    boot.dma.reserved[2] = (struct boot_reserved){0x50000000, 0x50000fff, 0x0040};
    boot.dma.reserved[3] = (struct boot_reserved){0x50000000, 0x50000fff, CARD};
    dma_init();
    tap_ok(reads(0x0030, 0x40000123, 0x40000123) && writes(0x0030, 0x40002000, 0x40002000) &&
               refusal(0x0030, 0x40003000, false) == 6,
           "a screen reaches what the firmware reserved for it");
    tap_ok(refusal(0x0030, 0x20f000, false) == 6 && times("does not get the memory") == 1,
           "not what it also called usable");
    tap_ok(refusal(0x0040, 0x50000000, false) == 2, "a device that is no screen does not");
    tap_ok(!attach(&card, 0) && said("00:02.0 is not driven: the firmware reserved"),
           "a card with such memory is not driven");
    machine_make(1, PLAIN);
    boot.dma.covered[0] = (struct boot_devices){CARD + 1, 0xffff};
    dma_init();
    tap_ok(!attach(&card, 0) && said("00:02.0 is not driven: it is behind no IOMMU") &&
               attach(&other, 1),
           "nor one that is behind no unit");
}

static void wait_for_rest(void)
{
    uint64_t now, end = __builtin_ia32_rdtsc() + 11 * machine_tsc_hz;

    do
        now = __builtin_ia32_rdtsc();
    while (now < end);
    faults_resume(now);
}

static void test_faults(void)
{
    machine_make(1, PLAIN);
    dma_init();
    attach(&card, 0);
    wait_for_rest(); /* since what earlier tests provoked */
    provoke(0, CARD, 0x123456, true);
    tap_ok(
        said("DMA fault: first at 00:02.0 was kept from writing 0x123000: the page is not mapped "
             "to be written (reason 5).") &&
            !recorded(0),
        "a card's fault is told by its name, and its record is cleared");
    provoke(0, OTHER, 0x1000, false);
    tap_ok(said("DMA fault: the device at 02:03.0 was kept from reading 0x1000: no driver here "
                "serves a device of its bus (reason 1)."),
           "that of a device without a driver, too");
    provoke(0, CARD, 1ull << 39, false);
    tap_ok(said("0x8000000000: the address is beyond all that can be mapped (reason 4)."),
           "an address that is too large");
    for (uint32_t i = 0; i < 100; i++)
        provoke(0, CARD, 0x200000, false);
    tap_ok(times("was kept from") == 8 && times("is not told") == 1 && recorded(0),
           "of a flood eight are told; then the unit is quiet");
    faults_resume(0);
    tap_ok(times("was kept from") == 8 && recorded(0), "for a while");
    wait_for_rest();
    tap_ok(times("was kept from") == 10 && !recorded(0), "then what it has recorded is told");
}

static void test_silent(void)
{
    static volatile uint32_t panics;

    machine_make(1, PLAIN);
    units_model[0].dead = true;
    if (!setjmp(panicked))
        dma_init();
    else
        panics++;
    tap_ok(panics == 1 && said("The IOMMU at 0xfed90000 does not obey"),
           "a unit that does not start is a panic");
    machine_make(1, PLAIN);
    dma_init();
    struct nic *nic = attach(&card, 0);
    dma_map(nic, 0, 0, (frame_t){5});
    units_model[0].dead = true;
    if (!setjmp(panicked))
        dma_unmap(nic, 0);
    else
        panics++;
    tap_ok(panics == 2 && said("does not carry out a command"),
           "so is one that does not forget: no frame could be used again");
}

int main(void)
{
    test_without();
    test_unusable();
    for (uint32_t i = 0; i < KINDS; i++)
        test_kind(&kinds[i], i);
    test_many();
    test_reserved();
    test_faults();
    test_silent();
    return tap_done();
}
