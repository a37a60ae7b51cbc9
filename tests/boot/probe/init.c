/* SPDX-License-Identifier: MIT */
/* init.c - stands in for the first environment's image; the probe looks at it, nobody runs it. */
const unsigned long in_rodata = 1;
unsigned long in_data = 2, in_bss[2048];

/* int3 int3 nop nop: a word that the probe can recognise. */
__asm__(".globl init_start\n\t"
        "init_start: .byte 0xcc, 0xcc, 0x90, 0x90");
