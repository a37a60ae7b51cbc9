/* SPDX-License-Identifier: MIT */
/* units.c - the machine of units.h. */
#include "units.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "irq.h"
#include "mmio.h"

#define FRAMES    512u
#define FIRST     0x100u /* number of the first frame */
#define REGISTERS (5 * EXO_PAGE_SIZE)
#define CACHE     4096u
#define FAULTS_AT 0x220u
#define RECORDS   2u
#define LATE      3u /* reads of the status until it shows a command */

enum { COMMAND = 0x18, STATUS = 0x1c, ROOT = 0x20, FAULT_STATUS = 0x34, FAULT_CONTROL = 0x38 };
enum { PROTECTED = 0x64, HEAD = 0x80, TAIL = 0x88, QUEUE = 0x90 };

#define TRANSLATE (1u << 31)
#define SET_ROOT  (1u << 30)
#define FLUSH     (1u << 27)
#define USE_QUEUE (1u << 26)
#define REMAP     (1u << 25)

struct unit units_model[UNITS];
struct boot_info boot;
bool nics_busy;
uint64_t machine_tsc_hz =
    50000000; /* a second is not long here, but longer than a busy host takes for a test */
char log_text[8192];
jmp_buf panicked;
uint16_t display;
uint32_t queue_count = 32;

static uint8_t memory[FRAMES][EXO_PAGE_SIZE] __attribute__((aligned(4096)));
static uint8_t behind[FRAMES][EXO_PAGE_SIZE]; /* what was written back */
static uint32_t frames_used;

static struct hidden {
    uint8_t registers[REGISTERS];
    uint32_t wanted, late; /* the status to come, and reads until then */
    uint64_t root, head;
    struct {
        uint16_t id, domain;
        uint64_t page, entry;
    } cache[CACHE];
    uint32_t cached;
    irq_handler handler;
    void *argument;
    uint32_t message;
} hidden[UNITS];

/* --- memory ------------------------------------------------------------------------ */

void *machine_frame(frame_t frame)
{
    if (frame.n - FIRST >= FRAMES)
        panic("frame %u is not there", frame.n);
    return memory[frame.n - FIRST];
}

void *boot_alloc(uint64_t count, uint64_t *physical)
{
    if (frames_used + count > FRAMES)
        panic("out of memory");
    *physical = (uint64_t)(FIRST + frames_used) << EXO_PAGE_SHIFT;
    void *at = memory[frames_used];
    memset(at, 0, count * EXO_PAGE_SIZE);
    frames_used += (uint32_t)count;
    return at;
}

void mmio_write_back(const void *at, uint64_t size)
{
    uint64_t from = (uint64_t)((const uint8_t *)at - memory[0]);
    uint64_t first = from & ~63ull, last = (from + size + 63) & ~63ull;

    memcpy(behind[0] + first, memory[0] + first, last - first);
}

static uint64_t load(const struct unit *u, uint64_t address)
{
    uint64_t offset = address - ((uint64_t)FIRST << EXO_PAGE_SHIFT), word;

    if (offset >= sizeof(memory))
        return UINT64_MAX;
    memcpy(&word, (u->kind.coherent ? memory[0] : behind[0]) + offset, 8);
    return word;
}

/* --- translation -------------------------------------------------------------------- */

#define RESERVED_BITS 0xfff0000000000000ull

/* Section 3.4 and 3.7 of the specification, as plainly as can be. 0 with *reason, or the entry. */
static uint64_t walk(const struct unit *u, const struct hidden *h, uint16_t id, uint64_t address,
                     uint16_t *domain, uint32_t *reason)
{
    uint64_t bus = load(u, h->root + (id >> 8) * 16u);

    *domain = 0;
    *reason = 1;
    if (!(bus & 1))
        return 0;
    uint64_t at = (bus & ~0xfffull) + (id & 255) * 16u;
    uint64_t low = load(u, at), high = load(u, at + 8);
    *reason = 2;
    if (!(low & 1))
        return 0;
    *domain = (uint16_t)(high >> 8);
    uint32_t levels = (uint32_t)(high & 7) + 2;
    *reason = 3;
    if (low & 0xffe || levels > 4 || !(u->kind.widths >> (levels - 2) & 1) || high >> 24 ||
        !*domain)
        return 0;
    *reason = 4;
    if (address >> (12 + 9 * levels))
        return 0;
    uint64_t entry = low, rights = 3;
    for (uint32_t level = levels; level; level--) {
        entry = load(u, (entry & ~0xfffull) + (address >> (3 + 9 * level) & 511) * 8);
        *reason = 12;
        if (entry & (RESERVED_BITS | 0xffc))
            return 0;
        rights &= entry;
        *reason = 6;
        if (!rights)
            return 0;
    }
    *reason = 0;
    return (entry & ~0xfffull) | rights;
}

uint64_t ask(uint32_t unit, uint16_t id, uint64_t address, bool write, uint32_t *reason)
{
    struct unit *u = &units_model[unit];
    struct hidden *h = &hidden[unit];
    uint64_t page = address >> EXO_PAGE_SHIFT, entry = 0;
    uint32_t i = 0;
    uint16_t domain;

    uint32_t status, protect;
    memcpy(&status, h->registers + STATUS, 4);
    memcpy(&protect, h->registers + PROTECTED, 4);
    *reason = protect >> 31 ? 99 : 0;
    if (*reason)
        return 0;
    if (!(status & TRANSLATE))
        return address;
    while (i < h->cached && (h->cache[i].id != id || h->cache[i].page != page))
        i++;
    if (i < h->cached) {
        entry = h->cache[i].entry;
        *reason = entry ? 0 : 6;
    } else {
        entry = walk(u, h, id, address & ~0xfffull, &domain, reason);
        if ((entry || u->kind.keeps_empty) && h->cached < CACHE) {
            h->cache[h->cached].id = id;
            h->cache[h->cached].domain = domain;
            h->cache[h->cached].page = page;
            h->cache[h->cached++].entry = entry;
        }
    }
    if (entry && !(entry & (write ? 2 : 1)))
        *reason = write ? 5 : 6;
    else if (*reason == 6 && write)
        *reason = 5;
    return *reason ? 0 : (entry & ~0xfffull) | (address & 0xfff);
}

/* --- commands ----------------------------------------------------------------------- */

static void forget(struct hidden *h, uint16_t domain, bool all)
{
    for (uint32_t i = 0; i < h->cached;)
        if (all || h->cache[i].domain == domain)
            h->cache[i] = h->cache[--h->cached];
        else
            i++;
}

static void descriptor(struct unit *u, struct hidden *h, uint64_t low, uint64_t high)
{
    bool all = (low >> 4 & 3) == 1;

    switch (low & 15) {
    case 1:
        if (!all)
            u->wrong = "contexts are forgotten all or not at all";
        break;
    case 2:
        if (!all && (low >> 4 & 3) != 2)
            u->wrong = "addresses are forgotten by domain";
        if ((low >> 6 & 3) != 3)
            u->wrong = "reads and writes under way are waited for";
        forget(h, (uint16_t)(low >> 16), all);
        u->forgotten++;
        break;
    case 5: {
        uint32_t value = (uint32_t)(low >> 32);
        if (!(low >> 5 & 1) || high - ((uint64_t)FIRST << EXO_PAGE_SHIFT) >= sizeof(memory))
            u->wrong = "a wait tells nobody";
        else
            memcpy(memory[0] + (high - ((uint64_t)FIRST << EXO_PAGE_SHIFT)), &value, 4);
        break;
    }
    default:
        u->wrong = "a command that is none";
    }
}

static void queue_run(struct unit *u, struct hidden *h, uint64_t tail)
{
    uint64_t base;
    uint32_t status;

    memcpy(&base, h->registers + QUEUE, 8);
    memcpy(&status, h->registers + STATUS, 4);
    if (u->dead || !(status & USE_QUEUE))
        return;
    for (; h->head != tail; h->head = (h->head + 16) % EXO_PAGE_SIZE)
        descriptor(u, h, load(u, base + h->head), load(u, base + h->head + 8));
}

static void command(struct unit *u, struct hidden *h, uint32_t value)
{
    uint32_t status, once = SET_ROOT | FLUSH;

    memcpy(&status, h->registers + STATUS, 4);
    uint32_t changed = (value ^ status) & ~once;
    if (h->late || __builtin_popcount(changed) + __builtin_popcount(value & once) != 1)
        u->wrong = "one command at a time (11.4.4)";
    if (value & SET_ROOT)
        memcpy(&h->root, h->registers + ROOT, 8);
    if (changed & value & TRANSLATE) {
        u->restarts++;
        if (!(status & SET_ROOT) || h->cached)
            u->wrong = "translation begins with old tables";
    }
    if (changed & value & USE_QUEUE)
        h->head = 0;
    u->flushes += (value & FLUSH) != 0;
    h->wanted = (value & ~once) | (status & SET_ROOT) | (value & SET_ROOT);
    status |= value & FLUSH; /* shown while it lasts, a new root when it has */
    if (value & SET_ROOT)
        status &= ~SET_ROOT;
    memcpy(h->registers + STATUS, &status, 4);
    h->late = LATE;
}

/* --- registers ----------------------------------------------------------------------- */

static uint32_t unit_at(const volatile uint8_t *registers)
{
    return registers == hidden[1].registers;
}

volatile void *mmio_map(uint64_t address, uint64_t size)
{
    for (uint32_t i = 0; i < UNITS; i++)
        if (boot.dma.units[i].registers == address && size <= REGISTERS && !units_model[i].unmapped)
            return hidden[i].registers;
    return NULL;
}

uint32_t mmio_read32(const volatile uint8_t *registers, uint32_t offset)
{
    struct hidden *h = &hidden[unit_at(registers)];
    uint32_t value;

    if (units_model[unit_at(registers)].gone)
        return UINT32_MAX;
    if (offset == STATUS && h->late && !units_model[unit_at(registers)].dead && !--h->late)
        memcpy(h->registers + STATUS, &h->wanted, 4);
    memcpy(&value, h->registers + offset, 4);
    if (offset == 0x10 && units_model[unit_at(registers)].no_queue)
        value &= ~2u;
    return value;
}

uint64_t mmio_read64(const volatile uint8_t *registers, uint32_t offset)
{
    return (uint64_t)mmio_read32(registers, offset + 4) << 32 | mmio_read32(registers, offset);
}

static void interrupt(struct hidden *h)
{
    uint32_t control;

    memcpy(&control, h->registers + FAULT_CONTROL, 4);
    if (control >> 31 || !h->handler)
        return;
    h->handler(h->argument);
}

void mmio_write32(volatile uint8_t *registers, uint32_t offset, uint32_t value)
{
    struct unit *u = &units_model[unit_at(registers)];
    struct hidden *h = &hidden[unit_at(registers)];

    if (offset == COMMAND) {
        command(u, h, value);
        return;
    }
    if (offset >= FAULTS_AT && offset < FAULTS_AT + 16 * RECORDS)
        value = value >> 31 ? 0 : UINT32_MAX; /* written with 1 it is cleared */
    if (offset == PROTECTED)
        value = value >> 31 ? value : 0;
    memcpy(h->registers + offset, &value, 4);
    if (offset == FAULT_CONTROL && recorded(unit_at(registers)))
        interrupt(h);
}

void mmio_write64(volatile uint8_t *registers, uint32_t offset, uint64_t value)
{
    uint32_t unit = unit_at(registers);

    memcpy(hidden[unit].registers + offset, &value, 8);
    if (offset == TAIL)
        queue_run(&units_model[unit], &hidden[unit], value);
}

bool recorded(uint32_t unit)
{
    bool any = false;

    for (uint32_t i = 0; i < RECORDS; i++)
        any |= hidden[unit].registers[FAULTS_AT + 16 * i + 15] >> 7;
    return any;
}

void provoke(uint32_t unit, uint16_t id, uint64_t address, bool write)
{
    struct hidden *h = &hidden[unit];
    uint32_t reason;

    if (ask(unit, id, address, write, &reason))
        return;
    for (uint32_t i = 0; i < RECORDS; i++) {
        uint8_t *record = h->registers + FAULTS_AT + 16 * i;
        uint64_t page = address & ~0xfffull;
        uint32_t words[2] = {id, reason | (write ? 0 : 1u << 30) | 1u << 31};
        if (record[15] >> 7)
            continue;
        bool first = !recorded(unit);
        memcpy(record, &page, 8);
        memcpy(record + 8, words, 8);
        if (first)
            interrupt(h);
        return;
    }
}

bool irq_message(irq_handler handler, void *device, struct irq_message *message)
{
    struct hidden *h = &hidden[0];

    while (h->handler)
        h++;
    h->handler = handler;
    h->argument = device;
    *message = (struct irq_message){0xfee00000, 0x40};
    return true;
}

/* --- the rest of the machine --------------------------------------------------------- */

bool pci_is_display(const struct pci_device *device)
{
    return display && display == (device->bus << 8 | device->slot << 3 | device->function);
}

static void say(const char *format, va_list arguments)
{
    size_t used = strlen(log_text);

    vsnprintf(log_text + used, sizeof(log_text) - used - 1, format, arguments);
    strcat(log_text, "\n");
}

void klog(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
}

void panic(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
    longjmp(panicked, 1);
}

void machine_make(uint32_t count, struct kind kind)
{
    memset(hidden, 0, sizeof(hidden));
    memset(units_model, 0, sizeof(units_model));
    memset(&boot, 0, sizeof(boot));
    memset(behind, 0xff, sizeof(behind));
    frames_used = 0;
    log_text[0] = 0;
    display = 0;
    boot.dma.state = count ? EXO_DMA_UNITS : EXO_DMA_NONE;
    boot.dma.unit_count = count;
    boot.dma.covered_count = 1;
    boot.dma.covered[0] = (struct boot_devices){0, 0xffff};
    for (uint32_t i = 0; i < count; i++) {
        uint64_t capability = (uint64_t)kind.write_buffer << 4 | 3u << 5 |
                              (uint64_t)kind.keeps_empty << 7 | (uint64_t)kind.widths << 8 |
                              (uint64_t)(FAULTS_AT / 16) << 24 | (uint64_t)(RECORDS - 1) << 40;
        uint64_t more = kind.coherent | 1u << 1;
        uint32_t status = kind.left_on ? TRANSLATE | SET_ROOT | USE_QUEUE | REMAP : 0;
        uint32_t protect = 1u << 31 | 1, masked = 1u << 31;
        units_model[i].kind = kind;
        boot.dma.units[i].registers = 0xfed90000 + 0x1000ull * i;
        memcpy(hidden[i].registers + 0x08, &capability, 8);
        memcpy(hidden[i].registers + 0x10, &more, 8);
        memcpy(hidden[i].registers + STATUS, &status, 4);
        memcpy(hidden[i].registers + PROTECTED, &protect, 4);
        memcpy(hidden[i].registers + FAULT_CONTROL, &masked, 4);
    }
}
