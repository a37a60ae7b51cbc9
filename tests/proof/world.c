/* SPDX-License-Identifier: MIT */
/* world.c - the machine of world.h. */
#include "world.h"

#include "account.h"

#include "state.h"

/* Counters and clocks begin at 0: at 4 * 10^9 steps a second they get this far in 18 years. */
#define COUNT_BITS 61

uint64_t machine_tsc_hz, machine_boot_tsc;
uint32_t machine_cpus;
uint32_t calls_unbooked;

/* One object a frame, so that a pointer into a frame cannot lead into the next. */
static uint64_t ram_0[WORLD_WORDS], ram_1[WORLD_WORDS], ram_2[WORLD_WORDS], ram_3[WORLD_WORDS],
    ram_4[WORLD_WORDS], ram_5[WORLD_WORDS], ram_6[WORLD_WORDS], ram_7[WORLD_WORDS];
static uint64_t *const ram[] = {ram_0, ram_1, ram_2, ram_3, ram_4, ram_5, ram_6, ram_7};
_Static_assert(WORLD_FRAMES <= sizeof(ram) / sizeof(*ram), "each frame has its contents");

/* --- the machine below the core ---------------------------------------------------- */

bool nondet_bool(void);
uint64_t nondet_word(void);

void *machine_frame(frame_t frame)
{
    if (state_inside) {
        __CPROVER_assert(frame.n < frame_count, "safe: only frames that exist are looked into");
        __CPROVER_assert(frames[frame.n].type != EXO_KERNEL,
                         "safe: no frame of the kernel's own is looked into");
    }
    switch (frame.n) {
    case 0:
        return ram_0;
    case 1:
        return ram_1;
    case 2:
        return ram_2;
    case 3:
        return ram_3;
    case 4:
        return ram_4;
    case 5:
        return ram_5;
    case 6:
        return ram_6;
    default:
        return ram_7;
    }
}

void world_zero(uint32_t n)
{
    uint64_t *words = machine_frame((frame_t){n});

    for (uint32_t i = 0; i < WORLD_WORDS; i++)
        words[i] = 0;
}

/* a % b, where no division is needed. */
uint32_t world_modulo(uint32_t a, uint32_t b)
{
    __CPROVER_assert(a / 2 < b, "safe: a remainder is taken of less than twice the divisor");
    return a < b ? a : a - b;
}

/* What an operation of a batch returns: anything that a call may. */
int64_t world_operation(const uint64_t *arguments)
{
    int64_t result = (int64_t)nondet_word();

    __CPROVER_assert(__CPROVER_r_ok(arguments, 6 * sizeof(*arguments)),
                     "safe: an operation has six arguments");
    __CPROVER_assume(result > -256);
    return result;
}

int64_t world_call(struct env *self, uint64_t number, const uint64_t a[6])
{
    state_inside = true;
    int64_t result = call_dispatch(self, number, a);
    state_inside = false;
    return result;
}

void machine_root_init(uint64_t *pml4)
{
    for (uint32_t i = WORLD_ENTRIES / 2; i < WORLD_ENTRIES; i++)
        pml4[i] = i * 0x1000ull | PTE_PRESENT;
}

void machine_fpu_init(uint8_t *image)
{
    image[0] = 0x7f;
}

void machine_tlb_flush(frame_t root, uint64_t address)
{
    (void)address;
    __CPROVER_assert(root.n < frame_count && frames[root.n].type == EXO_PML4,
                     "safe: translations are forgotten below a root");
}

void machine_root_free(frame_t root)
{
    machine_tlb_flush(root, MACHINE_TLB_ALL);
}

void dma_map(const struct nic *nic, uint32_t queue, uint32_t index, frame_t frame)
{
    (void)nic;
    __CPROVER_assert(queue < EXO_QUEUES && index < EXO_QUEUE_BUFFERS / 2 &&
                         frames[frame.n].owner == queues[queue].owner && frames[frame.n].pinned,
                     "safe: a device is given a pinned frame of the queue's owner");
}

void dma_unmap(const struct nic *nic, uint32_t queue)
{
    (void)nic;
    __CPROVER_assert(queue < EXO_QUEUES, "safe: a queue that exists is taken from a device");
}

int32_t machine_channel_read(uint8_t *to, uint32_t room)
{
    uint32_t count = (uint32_t)nondet_word();

    __CPROVER_assert(__CPROVER_w_ok(to, room), "safe: the channel is read into its bounds");
    return count <= room ? (int32_t)count : -1;
}

int32_t machine_channel_write(const uint8_t *from, uint32_t length)
{
    uint32_t count = (uint32_t)nondet_word();

    __CPROVER_assert(__CPROVER_r_ok(from, length), "safe: the channel is written from its bounds");
    return count <= length ? (int32_t)count : -1;
}

uint64_t machine_time(void)
{
    uint64_t now = nondet_word();

    if (WORLD_CALL == EXO_CALL_INFO)
        __CPROVER_assume(now >= processors[0].since && !(now >> COUNT_BITS));
    return now;
}

void machine_console(const char *text, size_t length)
{
    __CPROVER_assert(__CPROVER_r_ok(text, length), "safe: a line is read within its bounds");
}

void klog(const char *format, ...)
{
    (void)format;
}

void panic(const char *format, ...)
{
    (void)format;
    __CPROVER_assert(false, "safe: the kernel does not panic");
    __CPROVER_assume(false);
}

/* --- a network card ------------------------------------------------------------------- */

static bool nic_ready(struct nic *nic, uint32_t pieces)
{
    (void)nic, (void)pieces;
    return nondet_bool();
}

static void nic_send(struct nic *nic, const struct packet *p)
{
    (void)nic;
    uint32_t cookie = p->piece->cookie, header_length = p->head_length;
    uint32_t length = p->piece->length - header_length;
    const struct queue *q = &queues[cookie >> 16];
    uint64_t payload = p->piece->address + header_length, n = payload >> EXO_PAGE_SHIFT;

    __CPROVER_assert(p->count == 1, "safe: a card that takes no pieces gets none");
    __CPROVER_assert(header_length <= NIC_HEADER && __CPROVER_r_ok(p->head, header_length),
                     "safe: a header is read within its bounds");
    __CPROVER_assert(cookie >> 16 < EXO_QUEUES, "safe: a packet names its queue");
    __CPROVER_assert(!length || (n < frame_count && frames[n].owner == q->owner &&
                                 frames[n].pinned && frames[n].type == EXO_DATA),
                     "safe: a device is given a pinned frame of the queue's owner");
    __CPROVER_assert(!length || payload % (1u << EXO_PAGE_SHIFT) + length <= EXO_PAGE_SIZE,
                     "safe: what a device is given ends within its frame");
}

static void nic_flush(struct nic *nic, bool await)
{
    (void)nic, (void)await;
}

static bool nic_poll(struct nic *nic)
{
    (void)nic;
    return false;
}

static struct nic the_nic = {.name = "prover",
                             .mac = 0x020000000001,
                             .link = true,
                             .send_ready = nic_ready,
                             .send = nic_send,
                             .flush = nic_flush,
                             .poll = nic_poll};
static struct set saved_stalled;
static uint64_t saved_unmatched;

/* Tables of numbers; of larger entries each is an object of its own (core.py). */
static uint16_t slice_table[EXO_SLICES];
uint16_t old_slice_owner[EXO_SLICES];
struct env *old_current;
static struct exo_account account_table[EXO_ENVS];
static struct processor processor, saved_processor;
static uint64_t expiry_table[2 * EXO_ENVS], saved_expiry[2 * EXO_ENVS];

/* --- the whole state ----------------------------------------------------------------- */

static void no_queues(void)
{
    for (uint32_t slot = 0; slot < EXO_ENVS; slot++) {
        envs[slot].queues = (struct set){0};
        envs[slot].used[EXO_R_QUEUES] = 0;
    }
    for (uint32_t i = 0; i < EXO_QUEUES; i++)
        set_add(&queues_free, i);
}

static void no_filters(void)
{
    for (uint32_t slot = 0; slot < EXO_ENVS; slot++) {
        envs[slot].allowances = 0;
        envs[slot].used[EXO_R_FILTERS] = 0;
    }
    for (uint32_t i = 0; i < EXO_QUEUES; i++) {
        queues[i].filters = (struct list){0};
        queues[i].filter_count = 0;
        queues[i].hears = (struct link){0};
    }
}

/* Nobody waits for another's reply, either. */
static void no_gates(void)
{
    gate_init();
    for (uint32_t slot = 0; slot < EXO_ENVS; slot++) {
        envs[slot].gate = (struct env_gate){0};
        envs[slot].used[EXO_R_GATES] = 0;
    }
}

static void count_small(uint64_t count)
{
    __CPROVER_assume(!(count >> COUNT_BITS));
}

/* What `info` tells as it is, is not so large that it would look like an error. */
static void counts_small(void)
{
    count_small(machine_tsc_hz);
    count_small(machine_boot_tsc);
    count_small(processors[0].idle_ticks);
    count_small(processors[0].since);
    count_small(the_nic.unmatched);
    for (uint32_t slot = 0; slot < EXO_ENVS; slot++) {
        count_small(envs[slot].slices_run);
        count_small(envs[slot].ticks);
        count_small(envs[slot].upcalls);
        count_small(envs[slot].calls);
    }
    for (uint32_t i = 0; i < EXO_QUEUES; i++) {
        const struct exo_queue_stats *stats = &queues[i].stats;
        count_small(stats->rx_packets | stats->rx_bytes | stats->rx_dropped | stats->tx_packets);
        count_small(stats->tx_bytes | stats->tx_bad | stats->tx_foreign | stats->fill_bad);
        count_small(stats->index_bad | stats->local);
    }
}

void world_arbitrary(void)
{
    state_arbitrary();
    for (uint32_t i = 0; i < WORLD_FRAMES; i++)
        __CPROVER_havoc_object(ram[i]);
    machine_tsc_hz = nondet_word();
    machine_boot_tsc = nondet_word();
    machine_cpus = (uint32_t)nondet_word();
    frame_count = WORLD_FRAMES;
    grant_count = EXO_GRANTS;
    env_count = EXO_ENVS;
    queue_count = EXO_QUEUES;
    slice_count = EXO_SLICES;
    slice_owner = slice_table;
    processors = &processor;
    processor_count = 1;
    slice_each = EXO_SLICES;
    __CPROVER_havoc_object(&processor);
    processor.number = 0;
    processor.expiry = expiry_table;
    __CPROVER_havoc_object(&slice_table);
    __CPROVER_havoc_object(&expiry_table);
    accounts = account_table;
    nics[0] = &the_nic;
    nic_count = 1;
    block_frames = WORLD_BLOCKS ? WORLD_BLOCK : 0;
    if (!WORLD_QUEUES)
        no_queues();
    if (!WORLD_FILTERS)
        no_filters();
    if (!WORLD_GATES)
        no_gates();
    the_nic.waiting = (struct set){0};
    the_nic.carrying = false;
    the_nic.unmatched = nondet_word();
    the_nic.stalled.some = nondet_word();
    for (uint32_t i = 0; i < SET_WORDS; i++)
        the_nic.stalled.word[i] = nondet_word();
    if (!WORLD_QUEUES)
        the_nic.stalled = (struct set){0};
    if (WORLD_CALL == EXO_CALL_INFO)
        counts_small();
    /* There is one CPU, and the prover need not look for others: no application has a further vCPU. */
    for (uint32_t slot = 0; slot < EXO_ENVS; slot++) {
        envs[slot].home = 0;
        envs[slot].acts_as = 0;
        __builtin_memset(envs[slot].vcpu, 0, sizeof(envs[slot].vcpu));
    }
    processor.current = nondet_bool() ? &envs[nondet_word() % EXO_ENVS] : NULL;
    processor.payer = nondet_bool() ? &envs[nondet_word() % EXO_ENVS] : NULL;
}

void world_save(struct snapshot *to)
{
    state_save();
    for (uint32_t n = 0; n < WORLD_FRAMES; n++) {
        for (uint32_t i = 0; i < WORLD_WORDS; i++)
            to->ram[n][i] = ram[n][i];
    }
    for (uint32_t i = 0; i < EXO_SLICES; i++)
        old_slice_owner[i] = slice_table[i];
    for (uint32_t i = 0; i < 2 * EXO_ENVS; i++)
        saved_expiry[i] = expiry_table[i];
    saved_processor = processor;
    old_current = processor.current;
    saved_stalled = the_nic.stalled;
    saved_unmatched = the_nic.unmatched;
}

bool world_unchanged(const struct snapshot *since)
{
    bool same = state_unchanged() && __CPROVER_equal(saved_stalled, the_nic.stalled) &&
                saved_unmatched == the_nic.unmatched;

    for (uint32_t n = 0; n < WORLD_FRAMES; n++)
        for (uint32_t i = 0; i < WORLD_WORDS; i++)
            same &= since->ram[n][i] == ram[n][i];
    for (uint32_t i = 0; i < EXO_SLICES; i++)
        same &= old_slice_owner[i] == slice_table[i];
    for (uint32_t i = 0; i < 2 * EXO_ENVS; i++)
        same &= saved_expiry[i] == expiry_table[i];
    return same && __CPROVER_equal(saved_processor, processor);
}
