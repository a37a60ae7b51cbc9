/* SPDX-License-Identifier: MIT */
/*
 * leave.c - out of the firmware and into the kernel.
 *
 * The memory map's key goes stale whenever anything in the firmware allocates, a timer's handler
 * for example; the specification asks to fetch the map again and retry. After the first try no
 * boot service but these two may be called: no allocation and no console.
 */
#include "loader.h"

enum { TRIES = 16 };

#define CR0_WP   (1ull << 16)
#define CR4_PGE  (1ull << 7)
#define MSR_EFER 0xc0000080u
#define EFER_NXE (1u << 11)

static EFI_STATUS leave_firmware(struct memory_map *map)
{
    EFI_STATUS status = EFI_SUCCESS;

    for (int i = 0; i < TRIES; i++) {
        UINTN key;
        status = memory_map_get(map, &key);
        if (status == EFI_SUCCESS)
            status = firmware->BootServices->ExitBootServices(loader_image, key);
        if (status != EFI_INVALID_PARAMETER)
            break;
    }
    return status;
}

static _Noreturn void jump(const struct boot_info *info, uint64_t root, uint64_t entry)
{
    uint64_t cr4, cr0;

    /* Without PGE, loading CR3 drops every translation of the firmware's, its global ones
     * included. The kernel turns it on when it is ready. */
    __asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
    __asm__ volatile("mov %0, %%cr4" : : "r"(cr4 & ~CR4_PGE) : "memory");
    /* The new tables use the no-execute bit, which is reserved while NXE is off. */
    __asm__ volatile("rdmsr; or %0, %%eax; wrmsr" : : "i"(EFER_NXE), "c"(MSR_EFER) : "eax", "edx");
    __asm__ volatile("mov %%cr0, %0" : "=r"(cr0));
    /* No stack from the change of tables on: it lies where nothing is mapped any more. */
    __asm__ volatile("mov %0, %%cr3\n\t"
                     "mov %1, %%cr0\n\t"
                     "cld\n\t"
                     "jmp *%2"
                     :
                     : "r"(root), "r"(cr0 | CR0_WP), "r"(entry),
                       "D"(EXO_DIRECT_MAP + (uint64_t)info)
                     : "memory");
    __builtin_unreachable();
}

_Noreturn void leave(struct boot_info *info, uint64_t root, uint64_t entry)
{
    struct memory_map map;

    memory_map_prepare();
    if (leave_firmware(&map) != EFI_SUCCESS)
        for (;;) /* half of the firmware may be gone: nobody is left to tell */
            __asm__ volatile("cli; hlt");
    __asm__ volatile("cli");
    memory_describe(&map, info);
    jump(info, root, entry);
}
