/* SPDX-License-Identifier: MIT */
/*
 * elf.c - checks an ELF64 program and plans its loading.
 *
 * The file comes from a disk that anybody may have written. What holds:
 *   - no byte outside [file, file + size) is read, whatever the headers say: every offset and size
 *     is compared by subtraction, so that no sum can wrap;
 *   - an accepted plan's segments lie within the bounds, share no page with each other, and none is
 *     both writable and executable;
 *   - a refused file leaves the plan as it was;
 *   - a plan that was moved lies between EXO_IMAGE_BASE and EXO_IMAGE_END.
 *
 * Layouts and constants: System V ABI, "Object Files", and its AMD64 supplement.
 */
#include "elf.h"

enum {
    ET_EXEC = 2,
    ET_DYN = 3,
    EM_X86_64 = 62,
    PT_LOAD = 1,
    PT_DYNAMIC = 2,
    PT_INTERP = 3,
    PT_NOTE = 4,
    PF_X = 1,
    PF_W = 2,
    ENTRIES = 512, /* of a page table */
};

struct elf_header {
    uint8_t ident[16]; /* magic, class, data encoding, version, ABI */
    uint16_t type;
    uint16_t machine;
    uint32_t version;
    uint64_t entry;
    uint64_t phoff;
    uint64_t shoff;
    uint32_t flags;
    uint16_t ehsize;
    uint16_t phentsize;
    uint16_t phnum;
    uint16_t shentsize;
    uint16_t shnum;
    uint16_t shstrndx;
};

struct elf_program_header {
    uint32_t type;
    uint32_t flags;
    uint64_t offset;
    uint64_t vaddr;
    uint64_t paddr;
    uint64_t filesz;
    uint64_t memsz;
    uint64_t align;
};

_Static_assert(sizeof(struct elf_header) == 64, "no hidden padding");
_Static_assert(sizeof(struct elf_program_header) == 56, "no hidden padding");

/* Structures in the file need not be aligned, so they are copied out. */
static void copy(void *to, const uint8_t *from, uint64_t size)
{
    __builtin_memcpy(to, from, size);
}

static bool inside(uint64_t offset, uint64_t length, uint64_t size)
{
    return offset <= size && length <= size - offset;
}

static struct elf_program_header program_header(const uint8_t *file,
                                                const struct elf_header *header, uint32_t index)
{
    struct elf_program_header program;
    copy(&program, file + header->phoff + (uint64_t)index * sizeof(program), sizeof(program));
    return program;
}

static const char *check_header(const uint8_t *file, uint64_t size, struct elf_header *header)
{
    static const uint8_t magic[4] = {0x7f, 'E', 'L', 'F'};

    if (size == 0)
        return "is empty";
    if (__builtin_memcmp(file, magic, size < sizeof(magic) ? size : sizeof(magic)) != 0)
        return "is not an ELF file";
    if (size < sizeof(*header))
        return "is truncated: it ends within its ELF header";
    copy(header, file, sizeof(*header));
    if (header->ident[4] != 2)
        return "is not a 64-bit ELF file";
    if (header->ident[5] != 1)
        return "is a big-endian ELF file, made for another kind of machine";
    if (header->machine != EM_X86_64)
        return "is an ELF file for another kind of processor, not for x86-64";
    if (header->ident[6] != 1 || header->version != 1)
        return "has an unknown ELF version";
    if (header->type == ET_EXEC)
        return "is linked for a fixed address; a position-independent program is needed";
    if (header->type != ET_DYN)
        return "is not an executable ELF file";
    if (header->phentsize != sizeof(struct elf_program_header) || header->phnum == 0)
        return "has no program headers of the usual size";
    if (!inside(header->phoff, (uint64_t)header->phnum * header->phentsize, size))
        return "is truncated: it ends before its program headers do";
    /* Loading needs no section headers, but they usually come last: missing ones betray a file
     * that was cut off. */
    if (header->shnum && !inside(header->shoff, (uint64_t)header->shnum * header->shentsize, size))
        return "is truncated: it ends before its section headers do";
    return NULL;
}

static const char *check_segment(const struct elf_program_header *program, uint64_t size,
                                 const struct elf_bounds *bounds, struct elf_segment *segment)
{
    if (!inside(program->offset, program->filesz, size))
        return "is truncated: it ends within a segment";
    if (program->filesz > program->memsz)
        return "has a segment with more bytes in the file than in memory";
    if (program->vaddr < bounds->base || !inside(program->vaddr, program->memsz, bounds->end))
        return "has a segment outside of the addresses that such a program may use";
    if ((program->flags & PF_W) && (program->flags & PF_X))
        return "has a segment that is both writable and executable";

    segment->lead = program->vaddr % EXO_PAGE_SIZE;
    segment->virt = program->vaddr - segment->lead;
    segment->pages = (segment->lead + program->memsz + EXO_PAGE_SIZE - 1) / EXO_PAGE_SIZE;
    segment->offset = program->offset;
    segment->bytes = program->filesz;
    segment->perm =
        (program->flags & PF_W ? EXO_WRITE : 0) | (program->flags & PF_X ? EXO_EXEC : 0);
    return NULL;
}

static bool share_a_page(const struct elf_segment *a, const struct elf_segment *b)
{
    return a->virt < b->virt + b->pages * EXO_PAGE_SIZE &&
           b->virt < a->virt + a->pages * EXO_PAGE_SIZE;
}

static bool entry_in_text(const struct elf_plan *plan)
{
    for (uint32_t i = 0; i < plan->count; i++) {
        const struct elf_segment *segment = &plan->segments[i];
        if ((segment->perm & EXO_EXEC) && plan->entry >= segment->virt + segment->lead &&
            plan->entry - segment->virt - segment->lead < segment->bytes)
            return true;
    }
    return false;
}

const char *elf_check(const void *file, uint64_t size, const struct elf_bounds *bounds,
                      struct elf_plan *plan)
{
    struct elf_header header;
    struct elf_plan made = {0};
    const char *wrong = check_header(file, size, &header);

    if (wrong)
        return wrong;
    made.entry = header.entry;
    for (uint32_t i = 0; i < header.phnum; i++) {
        struct elf_program_header program = program_header(file, &header, i);
        struct elf_segment segment;
        if (program.type == PT_INTERP)
            return "is dynamically linked; a static program is needed";
        if (program.type != PT_LOAD || program.memsz == 0)
            continue;
        wrong = check_segment(&program, size, bounds, &segment);
        if (wrong)
            return wrong;
        if (made.count == EXO_BOOT_SEGMENTS)
            return "has more loadable segments than the loader passes on";
        for (uint32_t other = 0; other < made.count; other++)
            if (share_a_page(&made.segments[other], &segment))
                return "has two segments that share a page";
        made.segments[made.count++] = segment;
    }
    if (made.count == 0)
        return "has nothing to load";
    if (!entry_in_text(&made))
        return "does not start in its own text";
    *plan = made;
    return NULL;
}

uint64_t elf_place(struct elf_plan *plan, uint64_t random)
{
    uint64_t pages = 1;

    for (uint32_t i = 0; i < plan->count; i++) {
        uint64_t end = plan->segments[i].virt / EXO_PAGE_SIZE + plan->segments[i].pages;
        pages = end > pages ? end : pages;
    }
    /* A whole number of page tables that lie in one directory, and anywhere within these. */
    uint64_t tables = (pages + ENTRIES - 1) / ENTRIES;
    uint64_t directories = (EXO_IMAGE_END - EXO_IMAGE_BASE) / EXO_PAGE_SIZE / ENTRIES / ENTRIES;
    uint64_t place = random % directories * ENTRIES;
    random /= directories;
    place = (place + random % (ENTRIES - tables + 1)) * ENTRIES;
    random /= ENTRIES - tables + 1;
    place += random % (tables * ENTRIES - pages + 1);

    uint64_t base = EXO_IMAGE_BASE + place * EXO_PAGE_SIZE;
    for (uint32_t i = 0; i < plan->count; i++)
        plan->segments[i].virt += base;
    plan->entry += base;
    return base;
}

void elf_copy(const void *file, const struct elf_segment *segment, void *pages)
{
    uint8_t *to = pages;
    uint64_t end = segment->lead + segment->bytes;

    __builtin_memset(to, 0, segment->lead);
    __builtin_memcpy(to + segment->lead, (const uint8_t *)file + segment->offset, segment->bytes);
    __builtin_memset(to + end, 0, segment->pages * EXO_PAGE_SIZE - end);
}

/* Search one note segment; `at` and `end` are offsets in the file. */
static bool find_note(const uint8_t *file, uint64_t at, uint64_t end, struct exo_boot_note *found)
{
    while (end - at >= 12) {
        uint32_t name_size, desc_size, type;
        copy(&name_size, file + at, 4);
        copy(&desc_size, file + at + 4, 4);
        copy(&type, file + at + 8, 4);
        /* Name and description are each padded to 4 bytes; 64-bit sums of 32-bit sizes are safe. */
        uint64_t length =
            12 + (((uint64_t)name_size + 3) & ~3ull) + (((uint64_t)desc_size + 3) & ~3ull);
        if (type == EXO_BOOT_NOTE_TYPE && name_size == sizeof(EXO_BOOT_NOTE_NAME) &&
            desc_size == 8 && end - at >= sizeof(*found) &&
            __builtin_memcmp(file + at + 12, EXO_BOOT_NOTE_NAME, name_size) == 0) {
            copy(found, file + at, sizeof(*found));
            return true;
        }
        if (length > end - at)
            return false;
        at += length;
    }
    return false;
}

bool elf_boot_note(const void *file, uint64_t size, uint32_t *version, uint32_t *info_size)
{
    struct elf_header header;
    struct exo_boot_note note;

    copy(&header, file, sizeof(header));
    for (uint32_t i = 0; i < header.phnum; i++) {
        struct elf_program_header program = program_header(file, &header, i);
        if (program.type != PT_NOTE || !inside(program.offset, program.filesz, size))
            continue;
        if (find_note(file, program.offset, program.offset + program.filesz, &note)) {
            *version = note.version;
            *info_size = note.size;
            return true;
        }
    }
    return false;
}

bool elf_dynamic(const void *file, uint64_t size, uint64_t *address, uint64_t *length)
{
    struct elf_header header;

    if (!inside(0, sizeof(header), size))
        return false;
    copy(&header, file, sizeof(header));
    for (uint32_t i = 0; i < header.phnum; i++) {
        struct elf_program_header program = program_header(file, &header, i);
        if (program.type != PT_DYNAMIC)
            continue;
        *address = program.vaddr;
        *length = program.memsz;
        return true;
    }
    return false;
}
