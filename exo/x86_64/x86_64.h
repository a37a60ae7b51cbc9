/* SPDX-License-Identifier: MIT */
/* x86_64.h - what the files of this folder need of each other. */
#ifndef EXO_X86_64_X86_64_H
#define EXO_X86_64_X86_64_H

#include "boot_info.h"
#include "control.h"
#include "protection.h"
#include "types.h"

/* Interrupt vectors above the CPU's 32 exceptions. */
#define VECTOR_LINE     0x20u /* 16 lines of the 8259 */
#define VECTOR_MESSAGE  0x40u /* message-signalled */
#define MESSAGES        16u
#define VECTOR_TIMER    0xe0u
#define VECTOR_IPI      0xe1u /* one for each enum ipi */
#define VECTOR_STOP     0xefu /* a panic elsewhere */
#define VECTOR_SPURIOUS 0xffu

/* Selectors (descriptors.c); SYSRET wants user data just before user code. */
#define SEL_KERNEL_CODE 0x08u
#define SEL_KERNEL_DATA 0x10u
#define SEL_SYSRET_BASE 0x18u
#define SEL_USER_DATA   0x23u
#define SEL_USER_CODE   0x2bu
#define SEL_TSS         0x30u

/* boot.c: a copy of what the loader told. */
extern struct boot_info boot;

/* descriptors.c: GDT, TSS, IDT, SYSCALL. */
void descriptors_init(void);

/* memory.c: boot allocator, kernel tables, frame table. */
void memory_init(void);
void memory_tables(void);
void memory_give_to_core(void);
void memory_check(void);
/* Memory at an address of the kernel's half, for ever. Only at boot. */
void memory_place(uint64_t page);
/* A page of addresses that shows the frame at `physical` (0: nothing), to be read. CPUs may remember what
 * it showed before: cpus_forget. */
volatile uint64_t *memory_window(void);
void memory_window_set(volatile uint64_t *window, uint64_t physical);
/* May the page be written through the direct map? On this CPU at once, on others after cpus_forget.
 * False: the loader mapped it with others in one. */
bool memory_direct_write(uint64_t physical, bool allow);

/* switch.c: leave for user mode. */
struct exo_context *machine_enter(void);

/* apic.c */
void apic_init(void);
void apic_enable(void); /* on each CPU */
uint32_t apic_id(void); /* of this CPU */
/* The command (Intel SDM vol. 3, 10.6.1) to the CPU of that id. False: it cannot be reached, or the
 * APIC hangs. */
bool apic_send(uint32_t id, uint32_t command);
#define APIC_ASSERT (1u << 14) /* in every command */
void apic_eoi(void);
struct cpu;
void apic_alarm(struct cpu *self, uint64_t now, uint64_t alarm); /* of the CPU that this runs on */
void apic_message(uint32_t vector, uint64_t *address, uint32_t *data);

/* first.c: the first environment. Its frames must not be given to the core before. */
void first_start(void);

/* log.c */
void log_started(void);                     /* from now on the consoles follow when there is time */
bool log_catch_up(uint64_t now, bool idle); /* while framebuffer_behind; true: it did something */
extern uint64_t log_draw_at;                /* not before, unless the CPU idles */
uint64_t log_format(char *to, uint64_t size, const char *format, __builtin_va_list arguments);
uint64_t log_print(char *to, uint64_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* exo/dev */
void serial_init(void);
void serial_start_interrupts(void);
void serial_write(const char *text, size_t length); /* one line */
void serial_flush(void);
void framebuffer_init(const struct boot_framebuffer *framebuffer);
void framebuffer_write(const char *text, size_t length);
void framebuffer_draw(void);    /* a bounded piece of what was written */
extern bool framebuffer_behind; /* there is more to draw */

/*
 * exo/dev: find and start NICs; poll those that have more than one interrupt's work, but not more
 * often than N2 says unless idle. Returns when to come back, UINT64_MAX: an interrupt will tell.
 */
void nic_init(void);
uint64_t nic_poll_pending(uint64_t now, bool idle);

#endif
