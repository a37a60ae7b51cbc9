/* SPDX-License-Identifier: MIT */
/*
 * leave.c - out of the firmware and into the kernel.
 *
 * From firmware_leave() on no firmware is called; from the change of tables on, no stack is used.
 */
#include "loader.h"

#define CR0_WP   (1ull << 16)
#define CR4_PGE  (1ull << 7)
#define MSR_EFER 0xc0000080u
#define EFER_NXE (1u << 11)

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
    /* Should the firmware not let go, no console is left to say so; then this line stays the last.
     */
    say("Leaving the firmware.");
    if (firmware_leave(&map) != EFI_SUCCESS)
        for (;;)
            __asm__ volatile("cli; hlt");
    __asm__ volatile("cli");
    memory_describe(&map, info);
    jump(info, root, entry);
}
