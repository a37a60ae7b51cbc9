/* SPDX-License-Identifier: MIT */
/* table.h - bits of a page table entry (Intel SDM vol. 3, 4.5; the same on AMD). */
#ifndef EXO_CORE_TABLE_H
#define EXO_CORE_TABLE_H

#define PTE_PRESENT 0x001ull
#define PTE_WRITE   0x002ull
#define PTE_USER    0x004ull
#define PTE_LARGE   0x080ull
#define PTE_NX      0x8000000000000000ull
#define PTE_ADDRESS 0x000ffffffffff000ull

/*
 * Bits that the CPU ignores hold the slot of the grant by which a leaf names another's frame: 11..9
 * and 62..52. Of these, 62..59 are ignored only while CR4.PKE is off (SDM vol. 3, 4.6.2): with it
 * on they would be a protection key. features.c sets CR4 whole and without it.
 */
#define PTE_GRANT_BITS   14
#define PTE_GRANT(slot)  (((uint64_t)(slot)&7) << 9 | (uint64_t)(slot) >> 3 << 52)
#define PTE_SLOT(entry)  ((uint32_t)((entry) >> 9 & 7) | (uint32_t)((entry) >> 52 & 0x7ff) << 3)

#define PTE_FRAME(entry) (((entry)&PTE_ADDRESS) >> 12)

#endif
