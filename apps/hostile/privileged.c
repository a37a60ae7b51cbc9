/* SPDX-License-Identifier: MIT */
/* privileged.c - instructions that are the kernel's alone, and flags that could confuse it. */
#include "hostile.h"

/* An attack of one or a few instructions; reaching the end means that they were carried out. */
#define INSTRUCTIONS(name, ...)                                                                    \
    static int64_t name(void)                                                                      \
    {                                                                                              \
        __asm__ volatile(__VA_ARGS__);                                                             \
        return 0;                                                                                  \
    }
#define ALL "rax", "rbx", "rcx", "rdx", "memory"

static uint8_t scratch[16];

INSTRUCTIONS(do_cli, "cli")
INSTRUCTIONS(do_sti, "sti")
INSTRUCTIONS(do_hlt, "hlt")
INSTRUCTIONS(read_cr0, "mov %%cr0, %%rax" ::: ALL)
INSTRUCTIONS(write_cr0, "mov %0, %%cr0" ::"r"(0x33ull) : ALL)
INSTRUCTIONS(do_read_cr3, "mov %%cr3, %%rax" ::: ALL)
INSTRUCTIONS(do_write_cr3, "mov %0, %%cr3" ::"r"(0x1000ull) : ALL)
INSTRUCTIONS(write_cr4, "mov %0, %%cr4" ::"r"(0x20ull) : ALL)
INSTRUCTIONS(write_cr8, "mov %0, %%cr8" ::"r"(15ull) : ALL)
INSTRUCTIONS(write_dr7, "mov %0, %%dr7" ::"r"(0x401ull) : ALL)
INSTRUCTIONS(do_clts, "clts")
INSTRUCTIONS(do_rdmsr, "rdmsr" ::"c"(0xc0000082u) : "rax", "rdx")
INSTRUCTIONS(do_wrmsr, "wrmsr" ::"c"(0xc0000082u), "a"(0), "d"(0))
INSTRUCTIONS(do_rdpmc, "rdpmc" ::"c"(0) : "rax", "rdx")
INSTRUCTIONS(do_xsetbv, "xsetbv" ::"c"(0), "a"(7), "d"(0))
INSTRUCTIONS(do_in, "inb $0x60, %%al" ::: ALL)
INSTRUCTIONS(do_in_dx, "inb %%dx, %%al" ::"d"(0x3f8) : "rax")
INSTRUCTIONS(do_out, "outb %%al, %%dx" ::"d"(0x3f8), "a"('!'))
INSTRUCTIONS(do_reset, "outb %%al, $0x64" ::"a"(0xfe))
INSTRUCTIONS(do_pci, "outl %%eax, %%dx" ::"d"(0xcf8), "a"(0x80000000u))
INSTRUCTIONS(do_lgdt, "lgdt %0" ::"m"(scratch))
INSTRUCTIONS(do_lidt, "lidt %0" ::"m"(scratch))
INSTRUCTIONS(do_lldt, "lldt %%ax" ::"a"(0))
INSTRUCTIONS(do_ltr, "ltr %%ax" ::"a"(0x30))
INSTRUCTIONS(do_wbinvd, "wbinvd")
INSTRUCTIONS(do_invd, "invd")
INSTRUCTIONS(do_invlpg, "invlpg (%0)" ::"r"(scratch))
INSTRUCTIONS(do_swapgs, "swapgs")
INSTRUCTIONS(do_sysret, "sysretq" ::"c"(scratch) : "r11")
INSTRUCTIONS(do_sysenter, "sysenter")
INSTRUCTIONS(do_sysexit, "sysexitl")
INSTRUCTIONS(do_monitor, "monitor" ::"a"(scratch), "c"(0), "d"(0))
INSTRUCTIONS(do_vmlaunch, "vmlaunch")
INSTRUCTIONS(do_vmrun, "vmrun" ::"a"(0x1000ull))
INSTRUCTIONS(load_kernel_ss, "mov %%ax, %%ss" ::"a"(0x10))
INSTRUCTIONS(load_kernel_ds, "mov %%ax, %%ds" ::"a"(0x10))
INSTRUCTIONS(load_tss_es, "mov %%ax, %%es" ::"a"(0x30))
INSTRUCTIONS(load_ldt_fs, "mov %%ax, %%fs" ::"a"(0x0f))
INSTRUCTIONS(far_return, "push $0x08; lea 1f(%%rip), %%rax; push %%rax; lretq\n1: add $16, %%rsp" ::
                 : ALL)
INSTRUCTIONS(iret_to_ring_0, "mov %%rsp, %%rax; push $0x10; push %%rax; pushfq; push $0x08;"
                             "lea 1f(%%rip), %%rax; push %%rax; iretq\n1:" ::
                 : ALL)
INSTRUCTIONS(int_nmi, "int $2")
INSTRUCTIONS(int_double, "int $8")
INSTRUCTIONS(int_page, "int $14")
INSTRUCTIONS(int_line, "int $0x20")
INSTRUCTIONS(int_message, "int $0x40")
INSTRUCTIONS(int_timer, "int $0xe0")
INSTRUCTIONS(int_linux, "int $0x80")
INSTRUCTIONS(int_spurious, "int $0xff")
INSTRUCTIONS(do_sgdt, "sgdt %0" : "=m"(scratch))
INSTRUCTIONS(do_sidt, "sidt %0" : "=m"(scratch))
INSTRUCTIONS(do_sldt, "sldt %%eax" ::: ALL)
INSTRUCTIONS(do_str, "str %%eax" ::: ALL)
INSTRUCTIONS(do_smsw, "smsw %%eax" ::: ALL)

/* Intel SDM vol. 2, CPUID leaf 7, ECX bit 2. */
static bool has_umip(void)
{
    uint32_t a = 7, b, c = 0, d;

    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    return c >> 2 & 1;
}

/* Without UMIP these instructions are everybody's, and no kernel can change that. */
#define WITH_UMIP(name)                                                                            \
    static int64_t name##_umip(void)                                                               \
    {                                                                                              \
        return has_umip() ? name() : NOT_TRIED;                                                    \
    }
WITH_UMIP(do_sgdt)
WITH_UMIP(do_sidt)
WITH_UMIP(do_sldt)
WITH_UMIP(do_str)
WITH_UMIP(do_smsw)

/* POPF drops what it may not change without an exception: look at what is left. */
static int64_t raise_iopl(void)
{
    uint64_t flags;

    __asm__ volatile("pushfq; orq $0x3000, (%%rsp); andq $~0x200, (%%rsp); popfq; pushfq; pop %0"
                     : "=r"(flags)
                     :
                     : "memory", "cc");
    return (flags & 0x3000) || !(flags & 0x200) ? (int64_t)flags : BY_SILENCE;
}

/* A call with flags that the kernel must not keep: all of it must come back as ever. */
static int64_t call_with_flags(uint64_t flags)
{
    int64_t result;

    __asm__ volatile("pushfq; orq %1, (%%rsp); popfq; syscall; pushfq; andq %2, (%%rsp); popfq"
                     : "=a"(result)
                     : "r"(flags), "r"(~flags), "a"((uint64_t)EXO_CALL_INFO),
                       "D"((uint64_t)EXO_INFO_MACHINE), "S"(0ull), "d"((uint64_t)EXO_MACHINE_ABI)
                     : "rcx", "r11", "memory", "cc");
    return result == EXO_ABI_VERSION ? BY_SILENCE : result & INT64_MAX;
}

static int64_t call_with_direction(void)
{
    return call_with_flags(1u << 10);
}

static int64_t call_with_nested_task(void)
{
    return call_with_flags(1u << 14);
}

static int64_t call_with_alignment(void)
{
    return call_with_flags(1u << 18);
}

static int64_t call_with_trap(void)
{
    return call_with_flags(1u << 8);
}

static int64_t call_with_kernel_stack(void)
{
    int64_t result;
    uint64_t keep;

    __asm__ volatile("mov %%rsp, %1; mov %3, %%rsp; syscall; mov %1, %%rsp"
                     : "=a"(result), "=&r"(keep)
                     : "a"((uint64_t)EXO_CALL_INFO), "r"(0xffffffff80020000ull),
                       "D"((uint64_t)EXO_INFO_MACHINE), "S"(0ull), "d"((uint64_t)EXO_MACHINE_ABI)
                     : "rcx", "r11", "memory");
    return result == EXO_ABI_VERSION ? BY_SILENCE : result & INT64_MAX;
}

#define ROW(text, name)                                                                            \
    {                                                                                              \
        "execute " text, name                                                                      \
    }
const struct attack privileged_attacks[] = {
    ROW("cli", do_cli),
    ROW("sti", do_sti),
    ROW("hlt", do_hlt),
    ROW("mov from cr0", read_cr0),
    ROW("mov to cr0", write_cr0),
    ROW("mov from cr3", do_read_cr3),
    ROW("mov to cr3", do_write_cr3),
    ROW("mov to cr4", write_cr4),
    ROW("mov to cr8", write_cr8),
    ROW("mov to dr7", write_dr7),
    ROW("clts", do_clts),
    ROW("rdmsr", do_rdmsr),
    ROW("wrmsr", do_wrmsr),
    ROW("rdpmc", do_rdpmc),
    ROW("xsetbv", do_xsetbv),
    ROW("in from the keyboard", do_in),
    ROW("in from the serial port", do_in_dx),
    ROW("out to the serial port", do_out),
    ROW("out to the reset line", do_reset),
    ROW("out to PCI configuration", do_pci),
    ROW("lgdt", do_lgdt),
    ROW("lidt", do_lidt),
    ROW("lldt", do_lldt),
    ROW("ltr", do_ltr),
    ROW("sgdt", do_sgdt_umip),
    ROW("sidt", do_sidt_umip),
    ROW("sldt", do_sldt_umip),
    ROW("str", do_str_umip),
    ROW("smsw", do_smsw_umip),
    ROW("wbinvd", do_wbinvd),
    ROW("invd", do_invd),
    ROW("invlpg", do_invlpg),
    ROW("swapgs", do_swapgs),
    ROW("sysret", do_sysret),
    ROW("sysenter", do_sysenter),
    ROW("sysexit", do_sysexit),
    ROW("monitor", do_monitor),
    ROW("vmlaunch", do_vmlaunch),
    ROW("vmrun", do_vmrun),
    ROW("int 2 (NMI)", int_nmi),
    ROW("int 8 (double fault)", int_double),
    ROW("int 14 (page fault)", int_page),
    ROW("int 0x20 (a device's line)", int_line),
    ROW("int 0x40 (a device's message)", int_message),
    ROW("int 0x80", int_linux),
    ROW("int 0xe0 (the timer)", int_timer),
    ROW("int 0xff (spurious)", int_spurious),
    {"load the kernel's stack segment", load_kernel_ss},
    {"load the kernel's data segment", load_kernel_ds},
    {"load the task state segment as data", load_tss_es},
    {"load a segment of a local table", load_ldt_fs},
    {"return far into ring 0", far_return},
    {"return from an interrupt into ring 0", iret_to_ring_0},
    {"raise its I/O privilege, turn interrupts off", raise_iopl},
    {"call the kernel with the direction flag set", call_with_direction},
    {"call the kernel with the nested-task flag set", call_with_nested_task},
    {"call the kernel with the alignment flag set", call_with_alignment},
    {"call the kernel single-stepped", call_with_trap},
    {"call the kernel with a stack in the kernel", call_with_kernel_stack},
    {NULL, NULL},
};
