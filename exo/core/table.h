/* SPDX-License-Identifier: MIT */
/* table.h - bits of a page table entry (Intel SDM vol. 3, 4.5; the same on AMD). */
#ifndef EXO_CORE_TABLE_H
#define EXO_CORE_TABLE_H

#define PTE_PRESENT      0x001ull
#define PTE_WRITE        0x002ull
#define PTE_USER         0x004ull
#define PTE_NO_CACHE     0x018ull /* PCD and PWT: uncached */
#define PTE_COMBINE      0x008ull /* PWT alone: write-combining, as features.c sets the PAT */
#define PTE_ACCESSED     0x020ull /* set by the CPU */
#define PTE_DIRTY        0x040ull /* set by the CPU */
#define PTE_LARGE        0x080ull
#define PTE_GLOBAL       0x100ull
#define PTE_NX           0x8000000000000000ull
#define PTE_ADDRESS      0x000ffffffffff000ull

#define PTE_FRAME(entry) (((entry)&PTE_ADDRESS) >> 12)

#endif
