/* SPDX-License-Identifier: MIT */
/*
 * syscall.c - musl's system calls, each a function of libos or ENOSYS by name.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>

#include "libos.h"
#include "syscall_names.h"

#define NS 1000000000ll

long libos_syscall(long n, long a, long b, long c, long d, long e, long f);
long libos_clone(int (*entry)(void *), void *stack, int flags, void *argument, int *parent_tid,
                 void *tls, int *clear_tid);
_Noreturn void libos_exit_unmap(void *base, size_t size);

uint64_t libos_enosys_count;

/* Told once a number, counted always. */
static long enosys(long n)
{
    static uint8_t told[(SYSCALL_NAMES + 7) / 8];
    bool listed = n >= 0 && n < SYSCALL_NAMES;

    libos_enosys_count++;
    if (!listed || !(told[n / 8] >> (n % 8) & 1)) {
        const char *name = listed && syscall_names[n] ? syscall_names[n] : "unknown";
        if (listed)
            told[n / 8] |= (uint8_t)(1u << n % 8);
        console_printf("enosys: %s (%ld) is not provided\n", name, n);
    }
    return -ENOSYS;
}

static int64_t ns_of(const struct timespec *t)
{
    return t->tv_sec * NS + t->tv_nsec;
}

static void timespec_of(struct timespec *t, uint64_t ns)
{
    t->tv_sec = (time_t)(ns / NS);
    t->tv_nsec = (long)(ns % NS);
}

/* --- memory ------------------------------------------------------------------------------ */

static uint32_t perm_of(long protection)
{
    if (protection == PROT_NONE)
        return VM_NONE;
    return (protection & PROT_WRITE ? EXO_WRITE : 0) | (protection & PROT_EXEC ? EXO_EXEC : 0);
}

static long memory_call(long n, long a, long b, long c, long d)
{
    long result;

    if (n == SYS_mmap && !(d & MAP_ANONYMOUS))
        return -ENODEV;
    critical_enter();
    switch (n) {
    case SYS_mmap:
        result = vm_map((uint64_t)a, (uint64_t)b, perm_of(c), d & MAP_FIXED);
        break;
    case SYS_munmap:
        result = vm_unmap((uint64_t)a, (uint64_t)b);
        break;
    case SYS_mprotect:
        result = vm_protect((uint64_t)a, (uint64_t)b, perm_of(c));
        break;
    default:
        result = c == MADV_DONTNEED ? vm_discard((uint64_t)a, (uint64_t)b) : 0;
    }
    critical_exit();
    return result;
}

/* --- time --------------------------------------------------------------------------------- */

static uint64_t clock_ns(long clock)
{
    uint64_t ns = time_ns();

    if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)
        ns += libos_start_info->wall_clock * NS;
    else if (clock == CLOCK_PROCESS_CPUTIME_ID)
        ns = time_ns_of((uint64_t)exo_info(EXO_INFO_ENV, EXO_ENV_SELF, EXO_ENV_TICKS));
    else if (clock == CLOCK_THREAD_CPUTIME_ID)
        ns = thread_ran_ns();
    return ns;
}

static long sleep_ns(int64_t ns)
{
    if (ns <= 0)
        return 0;
    uint64_t wake_at = time_deadline((uint64_t)ns);
    critical_enter();
    thread_block(NULL, 0, wake_at);
    critical_exit();
    return 0;
}

static long clock_sleep(long clock, long flags, const struct timespec *t)
{
    if (t->tv_nsec < 0 || t->tv_nsec >= NS || t->tv_sec < 0)
        return -EINVAL;
    return sleep_ns(ns_of(t) - (flags & TIMER_ABSTIME ? (int64_t)clock_ns(clock) : 0));
}

/* FUTEX_WAIT's time is relative, FUTEX_WAIT_BITSET's absolute. */
static long futex(long a, long op, long value, const struct timespec *t, long value3)
{
    int64_t ns = 0;
    bool locks = (op & 127) == 6, waits = (op & 127) == 0 || (op & 127) == 9 || locks;

    if (waits && t) {
        ns = ns_of(t);
        if ((op & 127) == 9 || locks)
            ns -= (int64_t)clock_ns(locks || op & 256 ? CLOCK_REALTIME : CLOCK_MONOTONIC);
        if (ns < 0)
            ns = 0;
    }
    return futex_call((uint32_t *)a, (int)op, (uint32_t)value, (uint64_t)ns, waits && t,
                      (uint32_t)value3);
}

/* --- threads ------------------------------------------------------------------------------- */

struct start_of_thread {
    int (*entry)(void *);
    void *argument;
};

static void thread_body(void *argument)
{
    struct start_of_thread start = *(struct start_of_thread *)argument;

    start.entry(start.argument);
    thread_exit();
}

long libos_clone(int (*entry)(void *), void *stack, int flags, void *argument, int *parent_tid,
                 void *tls, int *clear_tid)
{
    struct start_of_thread *start = (void *)(((uint64_t)stack - sizeof(*start)) & ~15ull);

    (void)flags;
    *start = (struct start_of_thread){entry, argument};
    *(volatile int *)parent_tid = 0; /* mapped before upcalls go off */
    critical_enter();
    struct thread *thread = thread_create(thread_body, start, 0, (uint64_t)start, (uint64_t)tls);
    long id = thread ? thread->id : -EAGAIN;
    if (thread) {
        thread->clear_tid = clear_tid;
        *parent_tid = (int)id;
    }
    critical_exit();
    return id;
}

void libos_exit_unmap(void *base, size_t size)
{
    thread_current->unmap_base = (uint64_t)base;
    thread_current->unmap_size = size;
    thread_exit();
}

/* raise() and abort(): there are no handlers, so a signal does what it does by default. */
static long signal_sent(long signal)
{
    if (signal == 0 || signal == SIGPIPE || signal == SIGCHLD || signal == SIGURG || signal > 31)
        return 0;
    if (signal != SIGABRT)
        libos_exit(128 + (uint32_t)signal);
    crash_here(CRASH_ABORT, (uint64_t)__builtin_return_address(0),
               *(uint64_t *)__builtin_frame_address(0));
}

/* pthread_setschedprio() */
static long priority_set(int id, const struct sched_param *wanted)
{
    struct sched_params params;
    int result = libos_sched_get(id, &params);

    if (result)
        return result;
    if (wanted->sched_priority < 0)
        return -EINVAL;
    params.priority = (uint32_t)wanted->sched_priority;
    return libos_sched_set(id, &params);
}

/* --- identity -------------------------------------------------------------------------------- */

static long uname_call(struct utsname *u)
{
    memset(u, 0, sizeof(*u));
    strcpy(u->sysname, "Freehold");
    strncpy(u->nodename, libos_name(), sizeof(u->nodename) - 1);
    strcpy(u->release, FREEHOLD_VERSION);
    strcpy(u->version, "libos");
    strcpy(u->machine, "x86_64");
    return 0;
}

static long limits_call(struct rlimit *old)
{
    if (old)
        *old = (struct rlimit){RLIM_INFINITY, RLIM_INFINITY};
    return 0;
}

static long misc_call(long n, long a, long b, long c, long d)
{
    switch (n) {
    case SYS_getpid:
        return (long)EXO_ENV_SLOT(exo_info(EXO_INFO_ENV, EXO_ENV_SELF, EXO_ENV_SELF_NAME));
    case SYS_getppid:
    case SYS_getuid:
    case SYS_geteuid:
    case SYS_getgid:
    case SYS_getegid:
    case SYS_rt_sigaction: /* accepted: no signal ever comes */
    case SYS_rt_sigprocmask:
    case SYS_set_robust_list:
    case SYS_membarrier: /* one CPU: every store is seen in order */
        return 0;
    case SYS_brk:
        return 0; /* no break: the allocator then uses mmap */
    case SYS_mremap:
        return -ENOMEM; /* the allocator then copies */
    case SYS_uname:
        return uname_call((struct utsname *)a);
    case SYS_getrandom:
        random_bytes((void *)a, (size_t)b);
        return b;
    case SYS_prlimit64:
        return limits_call((struct rlimit *)d);
    case SYS_sched_getaffinity:
        if (b < 8)
            return -EINVAL;
        memset((void *)c, 0, 8);
        *(uint64_t *)c = vcpus_online();
        return 8;
    default:
        return enosys(n);
    }
}

long libos_syscall(long n, long a, long b, long c, long d, long e, long f)
{
    bool known;
    long result = fd_call(n, a, b, c, d, e, f, &known);

    if (known)
        return result;
    switch (n) {
    case SYS_mmap:
    case SYS_munmap:
    case SYS_mprotect:
    case SYS_madvise:
        return memory_call(n, a, b, c, d);
    case SYS_futex:
        return futex(a, b, c, (const struct timespec *)d, f);
    case SYS_clock_gettime:
        timespec_of((struct timespec *)b, clock_ns(a));
        return 0;
    case SYS_clock_getres:
        if (b)
            *(struct timespec *)b = (struct timespec){0, 1};
        return 0;
    case SYS_nanosleep:
        return clock_sleep(CLOCK_MONOTONIC, 0, (const struct timespec *)a);
    case SYS_clock_nanosleep:
        return clock_sleep(a, b, (const struct timespec *)c);
    case SYS_sched_yield:
        return sched_yield();
    case SYS_sched_setparam:
        return priority_set((int)a, (const struct sched_param *)b);
    case SYS_set_tid_address:
        thread_current->clear_tid = (int *)a;
        return thread_current->id;
    case SYS_gettid:
        return thread_current->id;
    case SYS_tkill:
        return signal_sent(b);
    case SYS_kill:
    case SYS_tgkill:
        return signal_sent(n == SYS_kill ? b : c);
    case SYS_exit:
        thread_exit();
    case SYS_exit_group:
        if (libos_enosys_count)
            console_printf("enosys: %lu calls in all\n", libos_enosys_count);
        libos_exit((uint32_t)a);
    default:
        return misc_call(n, a, b, c, d);
    }
}
