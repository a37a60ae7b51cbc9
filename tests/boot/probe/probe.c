/* SPDX-License-Identifier: MIT */
/*
 * probe.c - a kernel that does nothing but look at what the loader handed it.
 *
 * It checks each promise of boot_info.h by itself, from the tables in CR3 and the structure it got,
 * and writes the outcome to the first serial port: "probe: ..." lines for a test to compare, one
 * "probe: FAULT ..." for each broken promise, at the end "probe: done, N faults".
 */
#include "boot_info.h"
#include "start.h"

EXO_BOOT_NOTE;

#define PRESENT 1ull
#define WRITE   2ull
#define LARGE   (1ull << 7)
#define GLOBAL  (1ull << 8)
#define NX      (1ull << 63)
#define ADDRESS 0x000ffffffffff000ull

extern const char image_text[], image_text_end[], image_end[];
static uint8_t stack[16384] __attribute__((used, aligned(16)));
static volatile uint64_t in_data = 0x1122334455667788;
static volatile uint64_t in_bss[1024];
/* Enough pointers that their list has each kind of entry; one of them in writable memory. */
#define NUMBERED(n) &numbers[n], &numbers[(n) + 1], &numbers[(n) + 2], &numbers[(n) + 3]
#define BY_16(n)    NUMBERED(n), NUMBERED((n) + 4), NUMBERED((n) + 8), NUMBERED((n) + 12)
static const uint8_t numbers[80] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                                    16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
                                    32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47,
                                    48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63,
                                    64, 65, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76, 77, 78, 79};
static const uint8_t *const volatile pointers[] = {BY_16(0), BY_16(16), BY_16(32), BY_16(48),
                                                   BY_16(64)};
static const uint8_t *volatile in_data_too = &numbers[7];
static unsigned faults;
static const struct boot_info *info;

static void outb(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static uint8_t inb(uint16_t port)
{
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static void put(const char *text)
{
    for (; *text; text++) {
        while (!(inb(0x3f8 + 5) & 0x20))
            ;
        outb(0x3f8, (uint8_t)*text);
    }
}

static void hex(uint64_t value)
{
    char digits[19] = "0x";
    int length = 2;

    for (int shift = 60; shift >= 0; shift -= 4)
        if (value >> shift || shift == 0)
            digits[length++] = "0123456789abcdef"[value >> shift & 15];
    digits[length] = 0;
    put(digits);
}

static void tell(const char *name, uint64_t value)
{
    put("probe: ");
    put(name);
    put(" ");
    hex(value);
    put("\n");
}

static void expect(bool held, const char *promise, uint64_t value)
{
    if (held)
        return;
    faults++;
    put("probe: FAULT ");
    put(promise);
    put(" ");
    hex(value);
    put("\n");
}

static uint64_t *frame(uint64_t entry)
{
    return (uint64_t *)(EXO_DIRECT_MAP + (entry & ADDRESS));
}

static uint64_t cr3(void)
{
    uint64_t value;
    __asm__("mov %%cr3, %0" : "=r"(value));
    return value;
}

/* The leaf that maps `address`, 0 if none; `size` becomes the bytes it maps. */
static uint64_t leaf(uint64_t address, uint64_t *size)
{
    uint64_t *table = frame(cr3());

    for (int shift = 39;; shift -= 9) {
        uint64_t entry = table[address >> shift & 511];
        *size = 1ull << shift;
        if (!(entry & PRESENT))
            return 0;
        if (shift == 12 || (entry & LARGE))
            return entry;
        table = frame(entry);
    }
}

static bool usable(uint64_t first, uint64_t count)
{
    for (uint32_t i = 0; i < info->region_count; i++)
        if (info->regions[i].first < first + count &&
            first < info->regions[i].first + info->regions[i].count)
            return true;
    return false;
}

static void check_info(void)
{
    expect(info->magic == EXO_BOOT_MAGIC, "magic", info->magic);
    expect(info->version == EXO_BOOT_VERSION, "version", info->version);
    expect(info->size == sizeof(*info), "size", info->size);
    expect(info->cpu_count >= 1 && info->cpu_count <= EXO_BOOT_CPUS, "CPU count", info->cpu_count);
    tell("cpus", info->cpu_count);
    tell("boot cpu", info->cpus[0]);
    for (uint32_t i = 0; i < info->cpu_count; i++)
        for (uint32_t j = 0; j < i; j++)
            expect(info->cpus[i] != info->cpus[j], "no CPU is there twice", info->cpus[i]);
    tell("low first", info->low_first);
    expect(info->low_first + EXO_BOOT_LOW <= 160, "low frames are in the first 640 KiB",
           info->low_first);
    expect(!info->low_first || !usable(info->low_first, EXO_BOOT_LOW), "low frames are not usable",
           info->low_first);
    tell("rsdp", info->rsdp);
    tell("width", info->framebuffer.width);
    tell("height", info->framebuffer.height);
    tell("wall clock", info->wall_clock);
    tell("seed bits", info->seed_bits);
    for (int i = 0; i < 64; i += 8)
        tell("seed", *(const uint64_t *)(info->seed + i));
    tell("max frame", info->max_frame);
}

static void check_regions(void)
{
    uint64_t end = 1, total = 0, size;

    for (uint32_t i = 0; i < info->region_count; i++) {
        const struct boot_region *region = &info->regions[i];
        expect(region->count > 0, "region is not empty", i);
        expect(region->first >= end, "regions are sorted, disjoint, without frame 0", i);
        end = region->first + region->count;
        total += region->count;
        tell("region", region->first);
        tell("frames", region->count);
        expect(end <= info->max_frame, "region below max_frame", i);
        for (uint64_t at = region->first; at < end;) {
            uint64_t entry = leaf(EXO_DIRECT_MAP + at * EXO_PAGE_SIZE, &size);
            expect(entry, "usable frame is in the direct map", at);
            at = (at * EXO_PAGE_SIZE / size + 1) * (size / EXO_PAGE_SIZE);
            if (!entry)
                break;
        }
    }
    tell("usable frames", total);
}

/* Write to every usable frame and read it back: it is RAM, and nothing we live in. */
static void check_memory(void)
{
    for (uint32_t i = 0; i < info->region_count; i++)
        for (uint64_t f = info->regions[i].first;
             f < info->regions[i].first + info->regions[i].count; f++)
            *(volatile uint64_t *)(EXO_DIRECT_MAP + f * EXO_PAGE_SIZE + 8 * (f % 512)) = ~f;
    for (uint32_t i = 0; i < info->region_count; i++)
        for (uint64_t f = info->regions[i].first;
             f < info->regions[i].first + info->regions[i].count; f++) {
            volatile uint64_t *at =
                (volatile uint64_t *)(EXO_DIRECT_MAP + f * EXO_PAGE_SIZE + 8 * (f % 512));
            if (*at != ~f) {
                expect(false, "usable frame keeps what is written", f);
                return;
            }
        }
}

static void check_image(void)
{
    expect((uint64_t)image_text >= EXO_KERNEL_BASE && (uint64_t)image_end <= EXO_KERNEL_END,
           "image is where kernels may lie", (uint64_t)image_text);
    expect((uint64_t)image_text % EXO_PAGE_SIZE == 0, "image begins with a page",
           (uint64_t)image_text);
    for (unsigned i = 0; i < sizeof(pointers) / sizeof(pointers[0]); i++)
        expect(*pointers[i] == i, "a word that holds an address was moved", i);
    expect(*in_data_too == 7, "a word in writable memory that holds an address was moved", 0);
    tell("image at", (uint64_t)image_text);
    for (uint64_t at = (uint64_t)image_text; at < (uint64_t)image_end; at += EXO_PAGE_SIZE) {
        uint64_t size, direct, entry = leaf(at, &size);
        bool text = at >= (uint64_t)image_text && at < (uint64_t)image_text_end;
        if (!entry)
            continue;
        expect(size == EXO_PAGE_SIZE, "image page is 4 KiB", at);
        expect(text == !(entry & NX), "text alone is executable", at);
        expect(!(entry & NX) + !!(entry & WRITE) < 2, "not writable and executable", at);
        direct = leaf(EXO_DIRECT_MAP + (entry & ADDRESS), &size);
        expect(!direct, "image frame is not in the direct map", at);
        expect(!usable((entry & ADDRESS) / EXO_PAGE_SIZE, 1), "image frame is not usable", at);
    }
    expect(!(leaf((uint64_t)&exo_boot_note, &(uint64_t){0}) & WRITE), "rodata is read-only", 0);
    expect(leaf((uint64_t)&in_data, &(uint64_t){0}) & WRITE, "data is writable", 0);
    expect(in_data == 0x1122334455667788, "data is loaded", in_data);
    for (unsigned i = 0; i < 1024; i++)
        expect(in_bss[i] == 0, "bss is zero", i);
}

/* Every table and leaf of the upper half. */
static void check_tables(uint64_t table, int shift, uint64_t address)
{
    for (uint64_t i = shift == 39 ? 256 : 0; i < 512; i++) {
        uint64_t entry = frame(table)[i], at = address + (i << shift);
        if (!(entry & PRESENT))
            continue;
        if (shift == 39)
            at |= 0xffff000000000000;
        if (shift > 12 && !(entry & LARGE)) {
            expect(!usable((entry & ADDRESS) / EXO_PAGE_SIZE, 1), "table is not usable", at);
            check_tables(entry, shift - 9, at);
            continue;
        }
        expect(entry & GLOBAL, "upper half is global", at);
        expect(!(entry & 4), "upper half is not the user's", at);
        expect((entry & NX) || !(entry & WRITE), "no page is writable and executable", at);
        if (at < EXO_MMIO_BASE) {
            expect((entry & NX) && (entry & WRITE), "direct map is read-write, no-execute", at);
            expect((entry & ADDRESS & ~(NX | ((1ull << shift) - 1))) == at - EXO_DIRECT_MAP,
                   "direct map maps where it says", at);
        }
    }
}

static void check_handed(void)
{
    uint64_t here = (uint64_t)info - EXO_DIRECT_MAP;

    expect(!usable(here / EXO_PAGE_SIZE, 2), "boot_info is not usable", here);
    expect(!usable(info->bundle_first, (info->bundle_size + 4095) / 4096), "bundle is not usable",
           info->bundle_first);
    tell("bundle size", info->bundle_size);
    tell("bundle word", *frame(info->bundle_first * EXO_PAGE_SIZE));
    tell("init entry", info->init_entry);
    for (uint32_t i = 0; i < info->segment_count; i++) {
        const struct boot_segment *s = &info->segments[i];
        expect(!usable(s->first, s->count), "init segment is not usable", i);
        expect(s->virt % EXO_PAGE_SIZE == 0 && s->count > 0, "init segment is pages", i);
        tell("init segment", s->virt);
        tell("init perm", s->perm);
        if (info->init_entry >= s->virt && info->init_entry < s->virt + s->count * EXO_PAGE_SIZE) {
            expect(s->perm & EXO_EXEC, "init starts in its text", i);
            tell("init word", *(uint32_t *)((char *)frame(s->first * EXO_PAGE_SIZE) +
                                            (info->init_entry - s->virt)));
        }
    }
}

static void check_registers(void)
{
    uint64_t cr0, flags;
    uint32_t efer, high;

    __asm__("mov %%cr0, %0" : "=r"(cr0));
    expect(cr0 & 1 << 16, "CR0.WP is set", cr0);
    __asm__("pushf; pop %0" : "=r"(flags));
    expect(!(flags & 1 << 9), "interrupts are off", flags);
    __asm__("rdmsr" : "=a"(efer), "=d"(high) : "c"(0xc0000080));
    expect(efer & 1 << 11, "EFER.NXE is set", efer);
}

__attribute__((used)) static _Noreturn void probe(const struct boot_info *given)
{
    info = given;
    put("probe: started\n");
    check_info();
    check_registers();
    check_regions();
    check_image();
    expect(!usable((cr3() & ADDRESS) / EXO_PAGE_SIZE, 1), "root table is not usable", cr3());
    expect(!(frame(cr3())[509] & PRESENT), "slot 509 is empty", 0);
    check_tables(cr3(), 39, 0);
    check_handed();
    check_memory();
    check_image();
    tell("done, faults", faults);
    for (;;)
        __asm__ volatile("hlt");
}

__attribute__((naked, used)) void probe_start(void)
{
    __asm__("lea stack+16384(%rip), %rsp\n\t"
            "xor %ebp, %ebp\n\t"
            "call probe");
}
