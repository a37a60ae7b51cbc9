/* SPDX-License-Identifier: MIT */
/*
 * libc.c - checks the C library and libos from inside an application.
 *
 * Prints "ok NAME" or "not ok NAME: why" for each check and last "checks: N passed, N failed". Runs
 * under either policy; argv[1] names the one that it is started with.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "libos.h"

static int passed, failed;
static const char *policy;

static void check(const char *name, bool good, const char *why)
{
    if (good)
        printf("ok %s\n", name);
    else
        printf("not ok %s: %s\n", name, why);
    *(good ? &passed : &failed) += 1;
}

#define CHECK(name, condition) check(name, condition, #condition)

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* --- stdio and strings ------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

static void text_checks(void)
{
    char text[128];
    int numbers[] = {5, 3, 9, -1, 7};

    snprintf(text, sizeof(text), "%-5s|%05d|%x|%.3f|%zu", "ab", 42, 255u, 2.5, sizeof(text));
    CHECK("printf", !strcmp(text, "ab   |00042|ff|2.500|128"));
    int a = 0;
    char word[16];
    CHECK("scanf",
          sscanf("17 seven", "%d %15s", &a, word) == 2 && a == 17 && !strcmp(word, "seven"));
    CHECK("strtol", strtol("0x7fz", NULL, 16) == 127 &&
                        strtoull("18446744073709551615", NULL, 10) == UINT64_MAX);
    qsort(numbers, 5, sizeof(numbers[0]), by_value);
    CHECK("qsort", numbers[0] == -1 && numbers[4] == 9);
    char *copy = strdup("one,two,,three"), *rest = copy;
    int parts = 0;
    while (strsep(&rest, ","))
        parts++;
    free(copy);
    CHECK("strsep", parts == 4);
    errno = 0;
    CHECK("open without files", !fopen("/etc/passwd", "r") && errno == ENOENT);
    CHECK("stdin is at its end", getchar() == EOF);
    CHECK("bad descriptor", write(77, "x", 1) == -1 && errno == EBADF);
    volatile double two = 2.0;
    CHECK("floating point", fabs(sqrt(two) - 1.41421356237) < 1e-9);
}

/* --- memory ------------------------------------------------------------------------------- */

static uint64_t pages_used(void)
{
    return (uint64_t)exo_info(EXO_INFO_ENV, EXO_ENV_SELF, EXO_ENV_USED + EXO_R_PAGES);
}

static void memory_checks(void)
{
    enum { BIG = 64 << 20 };
    uint64_t before = pages_used();
    char *big = malloc(BIG);

    CHECK("a heap larger than the quota", big != NULL);
    big[0] = 1;
    big[BIG / 2] = 2;
    big[BIG - 1] = 3;
    CHECK("pages come on demand", pages_used() - before < 16);
    CHECK("new memory is zero", big[4096] == 0 && big[BIG / 2] == 2);
    free(big);
    CHECK("freed pages go back", pages_used() - before < 12);

    bool good = true;
    unsigned char *blocks[200] = {0};
    unsigned seed = 1;
    for (int round = 0; round < 20000; round++) {
        seed = seed * 1103515245 + 12345;
        unsigned i = seed >> 16 & 127, size = (seed >> 8 & 1023) + 1;
        if (blocks[i])
            good = good && blocks[i][0] == (unsigned char)i;
        free(blocks[i]);
        blocks[i] = malloc(size);
        good = good && blocks[i];
        memset(blocks[i], (int)i, size);
    }
    for (int i = 0; i < 200; i++)
        free(blocks[i]);
    CHECK("20,000 random allocations", good);
    char *grown = malloc(10);
    strcpy(grown, "grown");
    grown = realloc(grown, 300000);
    CHECK("realloc keeps contents", grown && !strcmp(grown, "grown"));
    free(grown);
    void *aligned = NULL;
    CHECK("posix_memalign",
          posix_memalign(&aligned, 4096, 100) == 0 && (uintptr_t)aligned % 4096 == 0);
    free(aligned);

    CHECK("no writable and executable page",
          mmap(NULL, 4096, PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
              MAP_FAILED);
    CHECK("nor by libos itself", vm_map(0, 4096, EXO_WRITE | EXO_EXEC, false) == -EACCES);
    CHECK("no page 0", mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED &&
                           errno == EINVAL);
    char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    page[0] = 7;
    CHECK("mprotect to writable and executable",
          mprotect(page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC) == -1 && errno == EACCES);
    CHECK("mprotect", mprotect(page, 4096, PROT_READ) == 0 && page[0] == 7);
    CHECK("no access to a page with contents is refused",
          mprotect(page, 4096, PROT_NONE) == -1 && errno == EACCES && page[0] == 7);
    CHECK("munmap", munmap(page, 8192) == 0);
}

/* --- faults that the program survives ----------------------------------------------------------
 */

static jmp_buf *survivor;
static struct exo_fault seen;

static void jump_out(void)
{
    longjmp(*survivor, 1);
}

static bool survive(struct exo_context *context, const struct exo_fault *fault)
{
    seen = *fault;
    context->rip = (uint64_t)jump_out;
    context->rsp = (context->rsp & ~15ull) - 512 - 8;
    return true;
}

static bool faults(void (*what)(void), uint64_t vector)
{
    jmp_buf here;

    survivor = &here;
    libos_fault_hook = survive;
    memset(&seen, 0, sizeof(seen));
    if (!setjmp(here)) {
        what();
        libos_fault_hook = NULL;
        return false;
    }
    libos_fault_hook = NULL;
    return seen.vector == vector;
}

static volatile uint64_t page_0 = 8; /* the compiler must not know */

static void read_null(void)
{
    (void)*(volatile char *)page_0;
}

static void write_text(void)
{
    *(volatile char *)(uint64_t)&write_text = 0;
}

static void run_data(void)
{
    static char code[] = {(char)0xc3};

    ((void (*)(void))(uint64_t)code)();
}

static char settled[4096] __attribute__((aligned(4096))) = "settled";

static void write_settled(void)
{
    *(volatile char *)settled = 0;
}

static void divide(void)
{
    volatile int zero = 0;
    volatile int result = 1000 / zero;

    (void)result;
}

static void fault_checks(void)
{
    CHECK("reading page 0 faults", faults(read_null, 14));
    CHECK("writing text faults", faults(write_text, 14) && seen.error & 2);
    CHECK("executing data faults", faults(run_data, 14) && seen.error & 16);
    CHECK("data can be made read-only",
          mprotect(settled, sizeof(settled), PROT_READ) == 0 && faults(write_settled, 14));
    CHECK("and writable again", mprotect(settled, sizeof(settled), PROT_READ | PROT_WRITE) == 0 &&
                                    !faults(write_settled, 14) && settled[0] == 0);
    CHECK("dividing by zero faults", faults(divide, 0));
}

/* --- time ---------------------------------------------------------------------------------- */

static void time_checks(void)
{
    uint64_t start = now_ns();
    usleep(30000);
    uint64_t slept = now_ns() - start;
    CHECK("sleep is not short", slept >= 30000000u);
    /* Generous: an emulator on a busy host stands still at times. That it is a sleep at all. */
    CHECK("sleep ends", slept < 3000000000u);
    CHECK("time goes on", now_ns() > start);
    time_t wall = time(NULL);
    CHECK("wall clock", wall > 1700000000);
    struct tm tm;
    CHECK("gmtime", gmtime_r(&wall, &tm) && tm.tm_year >= 123);
    struct pollfd nothing = {.fd = -1};
    start = now_ns();
    CHECK("poll times out", poll(&nothing, 1, 20) == 0 && now_ns() - start >= 20000000u);
}

/* --- threads --------------------------------------------------------------------------------- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static long counter;
static int turn;
static _Thread_local int mine;

static void *count_up(void *argument)
{
    mine = (int)(intptr_t)argument;
    for (int i = 0; i < 5000; i++) {
        pthread_mutex_lock(&mutex);
        long value = counter;
        if (i % 64 == 0)
            sched_yield(); /* while it holds the lock */
        counter = value + 1;
        pthread_mutex_unlock(&mutex);
    }
    return (void *)(intptr_t)(mine * 2);
}

static void *ping_pong(void *argument)
{
    int me = (int)(intptr_t)argument;

    for (int i = 0; i < 500; i++) {
        pthread_mutex_lock(&mutex);
        while (turn != me)
            pthread_cond_wait(&changed, &mutex);
        turn = !me;
        pthread_cond_broadcast(&changed);
        pthread_mutex_unlock(&mutex);
    }
    return NULL;
}

static volatile bool stop;

static void *spin(void *argument)
{
    double x = 1.0 + (double)(intptr_t)argument; /* FPU registers must survive preemption */

    while (!stop) {
        double y = x;
        for (int i = 0; i < 1000; i++)
            y = y * 1.0000001 + 1e-9;
        for (int i = 0; i < 1000; i++)
            y = (y - 1e-9) / 1.0000001;
        if (fabs(y - x) > 1e-6)
            return (void *)1;
    }
    return NULL;
}

static void *nothing(void *argument)
{
    return argument;
}

static void *keep_errno(void *argument)
{
    errno = 33;
    sched_yield();
    return (void *)(intptr_t)(errno == 33 ? (intptr_t)argument : 0);
}

static void thread_checks(void)
{
    pthread_t threads[8];
    bool good = true;
    void *result;

    for (intptr_t i = 0; i < 8; i++)
        good = good && !pthread_create(&threads[i], NULL, count_up, (void *)i);
    for (intptr_t i = 0; i < 8; i++)
        good = good && !pthread_join(threads[i], &result) && (intptr_t)result == 2 * i;
    CHECK("create and join", good);
    CHECK("a mutex excludes", counter == 8 * 5000);

    for (intptr_t i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, ping_pong, (void *)i);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    CHECK("a condition wakes", turn == 0);

    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 20000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&mutex);
    CHECK("a condition times out", pthread_cond_timedwait(&changed, &mutex, &until) == ETIMEDOUT);
    pthread_mutex_unlock(&mutex);

    errno = 0;
    pthread_create(&threads[0], NULL, keep_errno, (void *)1);
    pthread_join(threads[0], &result);
    CHECK("errno is a thread's own", result && errno == 0);

    uint64_t before = pages_used();
    for (int i = 0; i < 300; i++)
        good = good && !pthread_create(&threads[0], NULL, nothing, NULL) &&
               !pthread_join(threads[0], NULL);
    CHECK("300 threads, one after another", good);
    pthread_attr_t detached;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    for (int i = 0; i < 50; i++) {
        good = good && !pthread_create(&threads[0], &detached, nothing, NULL);
        usleep(100);
    }
    CHECK("50 detached threads", good);
    CHECK("ended threads leave nothing", pages_used() - before < 24);
}

/* Two that spin and never yield: under a preemptive policy main goes on all the same. */
static void preemption_checks(void)
{
    pthread_t threads[2];
    void *result;
    bool good = true;

    if (!strcmp(policy, "fifo"))
        return;
    for (intptr_t i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, spin, (void *)i);
    for (int i = 0; i < 20; i++)
        usleep(1000);
    stop = true;
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], &result);
        good = good && !result;
    }
    check("spinning threads are preempted", true, "");
    CHECK("FPU registers survive preemption", good);
}

/* --- the rest ------------------------------------------------------------------------------- */

static void system_checks(void)
{
    struct utsname u;
    unsigned char random[32] = {0}, again[32] = {0};

    CHECK("uname", uname(&u) == 0 && !strcmp(u.sysname, "Freehold"));
    CHECK("getrandom", getrandom(random, 32, 0) == 32 && getrandom(again, 32, 0) == 32 &&
                           memcmp(random, again, 32) != 0);
    CHECK("getenv", getenv("CHECKED") && !strcmp(getenv("CHECKED"), "yes"));
    CHECK("policy", !strcmp(thread_policy->name, policy));
    errno = 0;
    CHECK("a call that is missing", link("/a", "/b") == -1 && errno == ENOSYS);
    CHECK("and once more", link("/a", "/b") == -1 && errno == ENOSYS);
}

int main(int argc, char **argv)
{
    policy = argc > 1 ? argv[1] : "fifo";
    text_checks();
    memory_checks();
    fault_checks();
    time_checks();
    thread_checks();
    preemption_checks();
    system_checks();
    printf("checks: %d passed, %d failed\n", passed, failed);
    return failed != 0;
}
