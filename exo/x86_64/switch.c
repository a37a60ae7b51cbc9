/* SPDX-License-Identifier: MIT */
/*
 * switch.c - from the kernel into the environment that the core chose: tables, FPU, segment bases.
 *
 *   W1  what the CPU holds of an environment (root table, FPU, fs, gs) is known by name; it is
 *       saved into no other and left to no other
 *       as is the place where entry.S stores its registers
 *   W2  data segment registers, which 64-bit code has no use for, are 0 whenever an environment
 *       gains the CPU
 *   W3  `control` of the CPU is the control page of the environment that it runs, by whose root table;
 *       when that is forgotten, so is the page, before either has another owner
 */
#include "context.h"
#include "env.h"
#include "exo_calls.h"
#include "io.h"
#include "ipi.h"
#include "lock.h"
#include "machine.h"
#include "nic.h"
#include "percpu.h"
#include "processor.h"
#include "speculation.h"
#include "start.h"
#include "x86_64.h"

#define AT(type, field, offset)                                                                    \
    _Static_assert(__builtin_offsetof(struct type, field) == (offset), "context.h says so")
AT(exo_context, rdi, RDI);
AT(exo_context, rax, RAX);
AT(exo_context, r15, R15);
AT(exo_context, rip, RIP);
AT(exo_context, rflags, RFLAGS);
AT(exo_context, rsp, RSP);
AT(exo_context, fs_base, FS);
AT(exo_context, gs_base, GS);
AT(exo_control, upcall_entry, CONTROL_ENTRY);
AT(exo_control, upcall_stack, CONTROL_STACK);
AT(exo_control, disabled, CONTROL_DISABLED);
AT(exo_control, pending, CONTROL_PENDING);
AT(exo_control, watch, CONTROL_WATCH);
AT(exo_control, saved, CONTROL_SAVED);
AT(exo_control, fault.vector, CONTROL_VECTOR);
AT(exo_control, fault.error, CONTROL_ERROR);
AT(exo_control, fault.address, CONTROL_ADDRESS);
AT(env, context, 0);
AT(env, state, ENV_STATE);
AT(env, acts_as, ENV_STATE + 4);
AT(env, pending, ENV_PENDING);
AT(env, upcalls, ENV_UPCALLS);
AT(env, calls, ENV_CALLS);
AT(kernel_lock, next, LOCK_NEXT);
AT(kernel_lock, serving, LOCK_SERVING);
AT(kernel_lock, unbooked, LOCK_UNBOOKED);
_Static_assert(STATE_LIVE == EXO_ENV_LIVE && CALLS == EXO_CALLS, "entry.S says so");
AT(env, name, ENV_NAME);
AT(env, root, ENV_ROOT);
AT(env, fpu, ENV_FPU);
AT(env, deadline, ENV_DEADLINE);
AT(env, ticks, ENV_TICKS);
AT(env, parent, ENV_PARENT);
AT(env, control, ENV_CONTROL);
AT(env, waiting, ENV_WAITING);
AT(env, ready, ENV_PENDING + 5);
AT(env, on, ENV_ON);
AT(env, home, ENV_PENDING + 7);
AT(env, cpus, ENV_CPUS);
AT(env, gate.lent.some, ENV_LENT);
_Static_assert(sizeof(struct env) == ENV_SIZE && EXO_ENV_SLOT_BITS == ENV_SLOT_BITS &&
                   EXO_DIRECT_MAP == DIRECT_MAP && EXO_USER_END == 1ull << 47,
               "hand.S says so");
AT(env, gate.way.gate, ENV_WAY_GATE);
AT(env, gate.way.tag, ENV_WAY_TAG);
AT(env, gate.way.caller, ENV_WAY_CALLER);
AT(env, gate.way.callee, ENV_WAY_CALLEE);
AT(env, gate.way.control, ENV_WAY_CONTROL);
AT(env, gate.way.own, ENV_WAY_OWN);
AT(processor, number, PROCESSOR_NUMBER);
AT(processor, current, PROCESSOR_CURRENT);
AT(processor, payer, PROCESSOR_PAYER);
AT(processor, sleeper, PROCESSOR_SLEEPER);
AT(processor, alarm, PROCESSOR_ALARM);
AT(processor, ending, PROCESSOR_ENDING);
AT(processor, since, PROCESSOR_SINCE);
AT(processor, unbooked, PROCESSOR_UNBOOKED);
AT(processor, called, PROCESSOR_CALLED);
AT(processor, readers, PROCESSOR_READERS);
AT(exo_control, call.tag, CONTROL_CALL_TAG);
AT(exo_control, call.caller, CONTROL_CALL_CALLER);
AT(exo_control, call.words, CONTROL_CALL_WORDS);
AT(exo_control, call_deadline, CONTROL_CALL_DEADLINE);
AT(cpu, processor, CPU_PROCESSOR);
AT(cpu, saves_to, CPU_SAVES_TO);
AT(cpu, loaded_root, CPU_LOADED_ROOT);
AT(cpu, loaded_state, CPU_LOADED_STATE);
_Static_assert(CALL_GATE_CALL == EXO_CALL_GATE_CALL && CALL_GATE_REPLY == EXO_CALL_GATE_REPLY &&
                   UP_CALL == EXO_UP_CALL && UP_READY == EXO_UP_READY &&
                   UP_SLICE_BEGIN == EXO_UP_SLICE_BEGIN,
               "gate.S and hand.S say so");
_Static_assert(EXO_UP_FAULT == 1 && FLAGS_USER == 0x202 && EXO_USER_END == 1ull << 47,
               "fault.S says so");

uint64_t kernel_cr3;

/* In place of a control page: fault.S leaves the decision to others. */
static struct exo_control no_upcalls = {.disabled = 1};

void cpu_idle(void);
void cpu_breathe(void);

void machine_root_init(uint64_t *pml4)
{
    const uint64_t *kernel = (const uint64_t *)(EXO_DIRECT_MAP + kernel_cr3);

    for (int i = 256; i < 512; i++)
        pml4[i] = kernel[i];
}

void switch_forget(struct cpu *cpu, frame_t root, uint64_t address)
{
    if (cpu->loaded_root.n != root.n)
        return; /* nothing of it is remembered: without PCID a change of CR3 forgets */
    if (address == FORGET_ROOT) {
        cpu->loaded_root.n = 0;
        cpu->control = &no_upcalls;
        write_cr3(kernel_cr3);
    } else if (address == MACHINE_TLB_ALL) {
        write_cr3(read_cr3());
    } else {
        __asm__ volatile("invlpg (%0)" : : "r"(address) : "memory");
    }
}

void machine_root_free(frame_t root)
{
    ipi_forget(root, FORGET_ROOT);
}

void machine_tlb_flush(frame_t root, uint64_t address)
{
    ipi_forget(root, address);
}

void machine_fpu_init(uint8_t *image)
{
    /* Intel SDM vol. 1, 10.5.1: control word at 0, MXCSR at 24; values after FNINIT and reset. */
    image[0] = 0x7f;
    image[1] = 0x03;
    image[24] = 0x80;
    image[25] = 0x1f;
}

void switch_init(void)
{
    kernel_cr3 = read_cr3() & ~0xfffull;
}

/* FPU registers go to memory when an environment leaves the CPU: it may go on elsewhere. */
static void state_save(struct cpu *cpu)
{
    struct env *env = cpu->saves_to;

    cpu->saves_to = NULL;
    if (env)
        __asm__ volatile("fxsave64 %0" : "=m"(env->fpu));
}

static void state_load(struct cpu *cpu, struct env *env)
{
    /*
     * AMD's FXRSTOR leaves the last x87 instruction's addresses of before, if no exception is
     * pending (AMD64 manual vol. 2, 11.4.4): have them be ours.
     */
    static const int32_t zero;
    __asm__ volatile("fnclex; emms; fildl %0" : : "m"(zero));
    __asm__ volatile("fxrstor64 %0" : : "m"(env->fpu));
    __asm__ volatile("mov %0, %%ds; mov %0, %%es; mov %0, %%fs; mov %0, %%gs" : : "r"(0));
    __asm__ volatile("wrfsbase %0" : : "r"(env->context.fs_base));
    __asm__ volatile("wrgsbase %0" : : "r"(env->context.gs_base));
    cpu->loaded_state = env->name;
    env->loaded_on = (uint8_t)cpu->number;
}

/* Is what this CPU holds of `env` what it had last? Not if it ran elsewhere since. */
static bool state_is_loaded(const struct cpu *cpu, const struct env *env)
{
    return cpu->loaded_state.n == env->name.n && env->loaded_on == cpu->number;
}

/* Others must decide anew: after what was done here somebody has, or lacks, a reason to run. */
static void others_stir(struct cpu *cpu)
{
    uint64_t stirred = processors_stirred & ~processor_bit(cpu->processor->number);

    processors_stirred = 0;
    for (; stirred; stirred &= stirred - 1)
        ipi_ask(serving[__builtin_ctzll(stirred)], IPI_WAKE);
}

/* Nobody is to run here: halt, or serve one interrupt if `more` is to be done. */
static void stand_by(struct cpu *cpu, bool more)
{
    state_save(cpu);
    kernel_unlock();
    if (more)
        cpu_breathe();
    else
        cpu_idle();
    kernel_lock();
}

/* The environment that shall run, with interrupts served while none can. */
__attribute__((noinline)) static struct env *choose(struct cpu *cpu)
{
    uint64_t alarm;
    bool idle = false;

    for (;;) {
        uint64_t now = rdtsc(), poll = nics_busy ? nic_poll_pending(now, idle) : UINT64_MAX;
        struct env *env = cpu_next(cpu->processor, now, &alarm);
        if (processors_stirred)
            others_stir(cpu);
        if (env && env->context.rip >= EXO_USER_END) {
            cpu_fault(env, 13, 0, 0); /* neither SYSRET nor IRET may see such an address */
            stand_by(cpu,
                     true); /* the next may be such a one as well: interrupts are not kept out */
            continue;
        }
        idle = !env;
        bool more = (framebuffer_behind && log_catch_up(now, idle)) || poll != UINT64_MAX;
        if (idle && more) {
            stand_by(cpu, true);
            continue;
        }
        alarm = poll < alarm ? poll : alarm;
        if (framebuffer_behind && log_draw_at < alarm)
            alarm = log_draw_at;
        if (alarm != cpu->armed || alarm <= now) /* mostly it is the slice's end, as before */
            apic_alarm(cpu, now, alarm);
        if (env)
            return env;
        stand_by(cpu, false);
    }
}

/* Mostly that is all: nothing else is to be done, and somebody runs. NULL: choose has to look. */
static inline struct env *choose_plainly(struct cpu *cpu)
{
    uint64_t now = rdtsc(), alarm;

    if (nics_busy | framebuffer_behind)
        return NULL;
    struct env *env = cpu_next(cpu->processor, now, &alarm);
    if (!env || processors_stirred || env->context.rip >= EXO_USER_END)
        return NULL;
    if (alarm != cpu->armed || alarm <= now) /* mostly it is the slice's end, as before */
        apic_alarm(cpu, now, alarm);
    return env;
}

struct exo_context *machine_enter(void)
{
    struct cpu *cpu = this_cpu();
    struct env *env = choose_plainly(cpu);

    if (!env)
        env = choose(cpu);
    if (env != cpu->saves_to) {
        state_save(cpu);
        cpu->saves_to = env;
    }
    if (env->root.n != cpu->loaded_root.n) {
        cpu->loaded_root = env->root;
        write_cr3((uint64_t)env->root.n << EXO_PAGE_SHIFT);
    }
    cpu->control = machine_frame(env->control);
    if (!state_is_loaded(cpu, env)) {
        state_load(cpu, env);
        if (speculation_costs)
            speculation_switch();
        cpu->context = &env->context;
    }
    kernel_unlock();
    return &env->context;
}
