/* SPDX-License-Identifier: MIT */
/*
 * main.c - the loader: from a firmware that knows files to a kernel that knows none.
 *
 * Everything that can fail is done and said while the firmware's console works; after leave() there
 * is only the jump. Whatever stops the loader, nothing on the disk was changed.
 */
#include "loader.h"
#include "start.h"

#define KERNEL "\\freehold\\kernel.elf"
#define INIT   "\\freehold\\init.elf"
#define BUNDLE "\\freehold\\bundle.bin"
#define FIXED  "\\freehold\\fixed"

EFI_SYSTEM_TABLE *firmware;
EFI_HANDLE loader_image;

/* The kernel is linked at 0 and moved from there. */
static const struct elf_bounds kernel_bounds = {0, EXO_KERNEL_SIZE};

static void program_check(const struct loaded_file *file, const struct elf_bounds *bounds,
                          struct elf_plan *plan)
{
    const char *wrong = elf_check(file->data, file->size, bounds, plan);

    if (wrong)
        fail("%s %s.", file->name, wrong);
}

static void version_check(const struct loaded_file *kernel)
{
    uint32_t version, size;

    if (!elf_boot_note(kernel->data, kernel->size, &version, &size))
        fail("%s is not a Freehold kernel: it carries no boot note.", kernel->name);
    if (version != EXO_BOOT_VERSION || size != sizeof(struct boot_info))
        fail("%s expects version %u of the boot information (%u bytes), this loader gives version "
             "%u (%u bytes); both must come from one build.",
             kernel->name, version, size, EXO_BOOT_VERSION, (unsigned)sizeof(struct boot_info));
}

static void program_place(const struct loaded_file *file, const struct elf_plan *plan,
                          struct placed_segment *placed)
{
    for (uint32_t i = 0; i < plan->count; i++) {
        void *pages = pages_alloc_kept(plan->segments[i].pages, file->name);
        elf_copy(file->data, &plan->segments[i], pages);
        placed[i] = (struct placed_segment){plan->segments[i], (uint64_t)pages};
    }
}

/* To a page of nearly 2^27. It is known to nobody but the kernel, which says it on the console. */
static void kernel_move(const struct loaded_file *file, uint64_t random, struct elf_plan *plan,
                        struct placed_segment *placed)
{
    uint64_t places = (EXO_KERNEL_END - EXO_KERNEL_BASE - EXO_KERNEL_SIZE) / EXO_PAGE_SIZE;
    uint64_t base = EXO_KERNEL_BASE + random % places * EXO_PAGE_SIZE;
    void *pages[EXO_BOOT_SEGMENTS];

    for (uint32_t i = 0; i < plan->count; i++)
        pages[i] = (void *)placed[i].physical;
    const char *wrong = elf_relocate(file->data, file->size, plan, pages, base);
    if (wrong)
        fail("%s %s.", file->name, wrong);
    for (uint32_t i = 0; i < plan->count; i++)
        placed[i].segment.virt += base;
    plan->entry += base;
}

static void init_describe(struct boot_info *info, const struct elf_plan *plan,
                          const struct placed_segment *placed)
{
    info->init_entry = plan->entry;
    info->segment_count = plan->count;
    for (uint32_t i = 0; i < plan->count; i++)
        info->segments[i] =
            (struct boot_segment){plan->segments[i].virt, placed[i].physical / EXO_PAGE_SIZE,
                                  plan->segments[i].pages, plan->segments[i].perm};
}

static void bundle_describe(struct boot_info *info, const struct loaded_file *bundle)
{
    /* The file stays where it was read to. */
    pages_keep(bundle->data, (bundle->size - 1) / EXO_PAGE_SIZE + 1);
    info->bundle_first = (uint64_t)bundle->data / EXO_PAGE_SIZE;
    info->bundle_size = bundle->size;
}

static struct boot_info *info_alloc(void)
{
    uint64_t pages = (sizeof(struct boot_info) - 1) / EXO_PAGE_SIZE + 1;
    struct boot_info *info = pages_alloc_kept(pages, "the boot information");

    __builtin_memset(info, 0, pages * EXO_PAGE_SIZE);
    info->magic = EXO_BOOT_MAGIC;
    info->version = EXO_BOOT_VERSION;
    info->size = sizeof(*info);
    return info;
}

static void memory_now(struct memory_map *map)
{
    UINTN key;

    memory_map_prepare();
    if (memory_map_get(map, &key) != EFI_SUCCESS)
        fail("The firmware does not give its memory map.");
}

/* What the kernel will be told of memory, as far as it can be known before the firmware is left. */
static void memory_preview(struct boot_info *info)
{
    struct memory_map map;

    memory_now(&map);
    uint64_t lost = memory_describe(&map, info);
    if (lost)
        say("The memory map has too many pieces; the smallest, %lu KiB together, stay unused.",
            lost * (EXO_PAGE_SIZE / KIB));
}

static void summary_say(const struct boot_info *info)
{
    say("%lu KiB of memory in %u pieces, %u CPU%s, ACPI tables %s, %u bits of random seed.",
        memory_usable_frames(info) * (EXO_PAGE_SIZE / KIB), info->region_count, info->cpu_count,
        info->cpu_count == 1 ? "" : "s", info->rsdp ? "found" : "absent", info->seed_bits);
    if (info->framebuffer.address)
        say("Screen of %u x %u pixels.", info->framebuffer.width, info->framebuffer.height);
    else
        say("No screen that Freehold can draw on.");
}

/* crt0 calls this as a System V function, not with the firmware's convention. */
EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *table)
{
    struct elf_plan kernel_plan, init_plan;
    struct placed_segment kernel_placed[EXO_BOOT_SEGMENTS], init_placed[EXO_BOOT_SEGMENTS] = {0};
    struct memory_map map;

    firmware = table;
    loader_image = image;
    /* The firmware's watchdog would reset the machine under a sentence that someone reads. */
    firmware->BootServices->SetWatchdogTimer(0, 0, 0, NULL);
    say("Freehold loader %s.", FREEHOLD_VERSION);
    cpu_check();

    volume_open();
    struct loaded_file kernel = file_read(KERNEL);
    struct loaded_file init = file_read(INIT);
    struct loaded_file bundle = file_read(BUNDLE);
    program_check(&kernel, &kernel_bounds, &kernel_plan);
    version_check(&kernel);
    program_check(&init, &elf_application, &init_plan);

    struct boot_info *info = info_alloc();
    program_place(&kernel, &kernel_plan, kernel_placed);
    program_place(&init, &init_plan, init_placed);
    bundle_describe(info, &bundle);
    machine_describe(info);
    seed_gather(info);

    /* A debugger that is there from the first instruction on must know both places beforehand. */
    bool fixed = file_there(FIXED);
    if (fixed)
        say("%s is there: the places of kernel and applications are not drawn. For debugging "
            "alone.",
            FIXED);
    kernel_move(&kernel, fixed ? 0 : seed_draw(info), &kernel_plan, kernel_placed);
    elf_place(&init_plan, fixed ? 0 : seed_draw(info));
    init_describe(info, &init_plan, init_placed);

    memory_now(&map);
    uint64_t root = tables_build(&map, kernel_placed, kernel_plan.count);
    memory_preview(info);
    summary_say(info);
    leave(info, root, kernel_plan.entry);
}
