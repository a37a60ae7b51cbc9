/* SPDX-License-Identifier: MIT */
/* mock.c - the machine of mock.h. */
#include "mock.h"

#include "nic.h"
#include "reset.h"
#include "tables.h"

#include <stdlib.h>
#include <string.h>

uint64_t mock_now, mock_alarms[MOCK_CPUS];
uint32_t mock_cpus = 1, mock_cpu;
char mock_console[65536];
uint32_t mock_console_used, mock_flushes, mock_logged, mock_watched, mock_watched_type;

uint64_t machine_tsc_hz = 1000000000, machine_boot_tsc = 7;
uint32_t machine_cpus = 1;
uint32_t calls_unbooked;

static uint8_t *ram;

#define TLB_SIZE 64u
static struct tlb {
    uint32_t root, used;
    struct {
        uint64_t address, entry;
    } known[TLB_SIZE];
} tlbs[MOCK_CPUS];

/* A NIC that sends nothing before it is polled. */
struct mock_packet mock_sent[MOCK_SENT];
uint32_t mock_sent_count, mock_capacity, mock_polls, mock_awaited;
void (*mock_ready_hook)(void);
void (*mock_frame_hook)(uint32_t frame);

static bool nic_ready(struct nic *nic, uint32_t pieces)
{
    (void)nic, (void)pieces;
    if (mock_ready_hook)
        mock_ready_hook();
    return mock_sent_count < mock_capacity;
}

static void nic_send(struct nic *nic, const struct packet *p)
{
    if (mock_sent_count >= mock_capacity)
        panic("a packet for a NIC that is full");
    if (p->head_length > NIC_HEADER)
        panic("a header of %u bytes", p->head_length);
    if (!p->count || p->count > EXO_PACKET_BUFFERS ||
        ((p->count > 1 || p->flags) && !nic->offloads))
        panic("a packet of %u pieces", p->count);
    struct mock_packet *packet = &mock_sent[mock_sent_count++];
    uint32_t rest = p->piece->length - p->head_length;
    *packet = (struct mock_packet){
        .nic = nic,
        .header_length = p->head_length,
        .length = rest,
        .cookie = p->piece->cookie,
        .payload = rest ? p->piece->address + p->head_length : 0,
        .whole = p->length,
        .count = p->count,
        .flags = p->flags,
    };
    memcpy(packet->header, p->head, p->head_length);
    memcpy(packet->piece, p->piece, p->count * sizeof(*p->piece));
}

static void nic_flush(struct nic *nic, bool await)
{
    (void)nic;
    mock_awaited += await;
}

static bool nic_poll(struct nic *nic)
{
    uint32_t count = mock_sent_count;

    mock_polls++;
    (void)nic;
    mock_sent_count = 0;
    for (; count; count--)
        for (uint32_t i = 0; i < mock_sent[count - 1].count; i++)
            nic_sent(mock_sent[count - 1].nic, mock_sent[count - 1].piece[i].cookie);
    return false;
}

/* Flags that mean something. Which packets they fit is tried in tests/unit/dev. */
static bool nic_takes(struct nic *nic, const struct packet *p)
{
    if (!nic->offloads)
        panic("a card that takes nothing is asked whether it does");
    return !(p->flags & ~(EXO_DESC_CHECKSUM | EXO_DESC_SEGMENT));
}

static struct nic mock_nic = {.name = "mock",
                              .mac = 0x020000000001,
                              .link = true,
                              .takes = nic_takes,
                              .send_ready = nic_ready,
                              .send = nic_send,
                              .flush = nic_flush,
                              .poll = nic_poll};

/* The IOMMU before it: by queue, which frames it lets through, how many these are, and for whom. */
static uint32_t reached[MOCK_QUEUES][EXO_QUEUE_FRAMES], reached_count[MOCK_QUEUES];
static const struct nic *reached_by[MOCK_QUEUES];

void dma_map(const struct nic *nic, uint32_t queue, uint32_t index, frame_t frame)
{
    if (reached[queue][index] || (reached_count[queue] && reached_by[queue] != nic))
        panic("place %u of queue %u is mapped twice", index, queue);
    reached_by[queue] = nic;
    reached[queue][index] = frame.n;
    reached_count[queue]++;
}

void dma_unmap(const struct nic *nic, uint32_t queue)
{
    for (uint32_t i = 0; reached_count[queue]; i++) {
        if (nic != reached_by[queue] || i == EXO_QUEUE_FRAMES)
            panic("queue %u has no frame %u", queue, i);
        if (!reached[queue][i])
            continue;
        if (!frames[reached[queue][i]].pinned)
            panic("frame %u could be used again while the device reaches it", reached[queue][i]);
        reached[queue][i] = 0;
        reached_count[queue]--;
    }
}

bool mock_dma_clean(void)
{
    for (uint32_t q = 0; q < MOCK_QUEUES; q++) {
        if (!queues[q].owner && reached_count[q])
            return false;
        for (uint32_t i = 0; queues[q].owner && i < EXO_QUEUE_FRAMES; i++)
            if (reached[q][i] != queues[q].buffer[i].n)
                return false;
    }
    return true;
}

void *machine_frame(frame_t frame)
{
    if (frame.n >= frame_count || frames[frame.n].type == EXO_KERNEL)
        panic("the core asks for the contents of frame %u", frame.n);
    if (mock_frame_hook) {
        void (*hook)(uint32_t) = mock_frame_hook;
        mock_frame_hook = NULL; /* the hook itself may look at frames */
        hook(frame.n);
        mock_frame_hook = hook;
    }
    return ram + (size_t)frame.n * EXO_PAGE_SIZE;
}

void machine_root_init(uint64_t *pml4)
{
    for (uint32_t i = 256; i < 512; i++)
        pml4[i] = i * 0x1000ull | PTE_PRESENT;
}

void machine_fpu_init(uint8_t *image)
{
    memset(image, 0, 512);
}

void machine_tlb_flush(frame_t root, uint64_t address)
{
    mock_flushes++;
    mock_watched_type = frames[mock_watched].type;
    for (struct tlb *tlb = tlbs; tlb < tlbs + MOCK_CPUS; tlb++)
        for (uint32_t i = 0; root.n == tlb->root && i < tlb->used;)
            if (address == MACHINE_TLB_ALL || tlb->known[i].address == address)
                tlb->known[i] = tlb->known[--tlb->used];
            else
                i++;
}

void machine_root_free(frame_t root)
{
    for (struct tlb *tlb = tlbs; tlb < tlbs + MOCK_CPUS; tlb++)
        if (root.n == tlb->root)
            *tlb = (struct tlb){0};
}

uint64_t machine_time(void)
{
    return mock_now;
}

void machine_console(const char *text, size_t length)
{
    if (mock_console_used + length > sizeof(mock_console))
        mock_console_used = 0;
    memcpy(mock_console + mock_console_used, text, length);
    mock_console_used += (uint32_t)length;
}

uint8_t mock_arrived[MOCK_ARRIVED], mock_left[MOCK_ARRIVED];
uint32_t mock_arrived_count, mock_left_count;
bool mock_no_channel;

int32_t machine_channel_read(uint8_t *to, uint32_t room)
{
    uint32_t count = mock_arrived_count < room ? mock_arrived_count : room;

    if (mock_no_channel)
        return -1;
    memcpy(to, mock_arrived, count);
    mock_arrived_count -= count;
    memmove(mock_arrived, mock_arrived + count, mock_arrived_count);
    return (int32_t)count;
}

int32_t machine_channel_write(const uint8_t *from, uint32_t length)
{
    uint32_t room = MOCK_ARRIVED - mock_left_count, count = length < room ? length : room;

    if (mock_no_channel)
        return -1;
    memcpy(mock_left + mock_left_count, from, count);
    mock_left_count += count;
    return (int32_t)count;
}

void panic(const char *format, ...)
{
    va_list arguments;

    printf("Bail out! panic: ");
    va_start(arguments, format);
    vprintf(format, arguments);
    printf("\n");
    abort();
}

void klog(const char *format, ...)
{
    (void)format;
    mock_logged++;
}

/* The tables, empty; generations alone are kept, so that names of the machine before are stale. */
static void tables_make(void)
{
    const struct table_counts counts = {MOCK_ENVS, MOCK_QUEUES, MOCK_SLICES / mock_cpus,
                                        MOCK_GRANTS, mock_cpus};
    static void *tables;
    uint32_t generations[MOCK_ENVS] = {0};

    for (uint32_t i = 0; tables && i < MOCK_ENVS; i++)
        generations[i] = envs[i].generation;
    free(tables);
    tables = calloc(1, tables_lay(NULL, &counts));
    tables_lay(tables, &counts);
    for (uint32_t i = 0; i < MOCK_ENVS; i++)
        envs[i].generation = generations[i];
}

void mock_forget_names(void)
{
    for (uint32_t i = 0; envs && i < MOCK_ENVS; i++)
        envs[i].generation = 0;
}

struct nic *mock_second_nic(void)
{
    static struct nic second;

    second = mock_nic;
    second.number = 1;
    second.stalled = second.waiting = (struct set){0};
    second.unmatched = 0;
    nics[1] = &second;
    nic_count = 2;
    nic_carry(&second);
    return &second;
}

struct env *mock_boot(void)
{
    free(frames);
    if (!ram) /* once: fresh pages at each boot would be most of what a fuzzer does */
        ram = malloc((size_t)MOCK_FRAMES * EXO_PAGE_SIZE);
    memset(ram, 0xa5, (size_t)MOCK_FRAMES * EXO_PAGE_SIZE);
    tables_make();
    reset_filters();
    memset(nics, 0, sizeof(nics)); /* a test's second card lay on its stack */
    nics[0] = &mock_nic;
    nic_count = 1;
    mock_nic.stalled = mock_nic.waiting = (struct set){0};
    mock_nic.carrying = false;
    mock_nic.offloads = 0;
    nic_carry(&mock_nic); /* as the kernel's loop does */
    mock_nic.window = 0;
    memset(reached, 0, sizeof(reached));
    memset(reached_count, 0, sizeof(reached_count));
    mock_sent_count = mock_polls = mock_awaited = 0;
    mock_capacity = MOCK_SENT;
    mock_ready_hook = NULL;
    mock_frame_hook = NULL;
    frame_init(calloc(MOCK_FRAMES, sizeof(struct frame)), MOCK_FRAMES);
    static struct block block_table[MOCK_FRAMES / MOCK_BLOCK + 1];
    memset(block_table, 0, sizeof(block_table));
    block_init(block_table, MOCK_BLOCK);
    static struct exo_account account_table[MOCK_ENVS];
    memset(account_table, 0, sizeof(account_table));
    account_init((frame_t){EXO_FRAME_NONE}, account_table, (frame_t){EXO_FRAME_NONE});
    frame_publish((frame_t){MOCK_FACTS}, (MOCK_KERNEL - MOCK_FACTS) * EXO_PAGE_SIZE);
    frame_add_free(MOCK_KERNEL, MOCK_FRAMES - MOCK_KERNEL);
    mock_now = 1000;
    mock_arrived_count = mock_left_count = mock_no_channel = 0;
    mock_console_used = mock_cpu = 0;
    for (uint32_t i = 0; i < MOCK_CPUS; i++)
        mock_alarms[i] = UINT64_MAX;
    memset(tlbs, 0, sizeof(tlbs));

    struct env *first = env_first(MOCK_FRAMES - MOCK_KERNEL);
    int64_t root = CALL(first, PAGE_ALLOC, EXO_ENV_SELF, EXO_FRAME_ANY, EXO_PML4);
    int64_t control = CALL(first, PAGE_ALLOC, EXO_ENV_SELF, EXO_FRAME_ANY, EXO_CONTROL);
    first->root.n = (uint32_t)root;
    first->control.n = (uint32_t)control;
    frame_pin(first->root);
    frame_pin(first->control);
    env_start(first, 0x400000, 0x500000, 0);
    mock_next();
    inv_begin();
    return first;
}

/* As who takes the kernel's lock. */
static void enter(void)
{
    if (calls_unbooked)
        calls_book();
}

static void tlb_switch(const struct env *env)
{
    struct tlb *tlb = &tlbs[mock_cpu];

    if (env && env->root.n != tlb->root)
        *tlb = (struct tlb){.root = env->root.n};
}

struct env *mock_next(void)
{
    enter();
    struct env *env = cpu_next(&processors[mock_cpu], mock_now, &mock_alarm);

    tlb_switch(env);
    return env;
}

void mock_enter(uint64_t number, const uint64_t a[6])
{
    enter();
    struct exo_context *c = &current->context;
    c->rax = number;
    c->rdi = a[0];
    c->rsi = a[1];
    c->rdx = a[2];
    c->r10 = a[3];
    c->r8 = a[4];
    c->r9 = a[5];
    cpu_call(current);
    mock_next();
}

bool mock_short_call(const uint64_t a[6])
{
    bool done = gate_call_short(&processors[mock_cpu], a);

    if (done)
        tlb_switch(processors[mock_cpu].unbooked);
    return done;
}

bool mock_short_reply(const uint64_t a[6])
{
    bool done = gate_reply_short(&processors[mock_cpu], a);

    if (done)
        tlb_switch(on_cpu(mock_cpu));
    return done;
}

bool mock_short_hand(enum exo_call call, const uint64_t a[6])
{
    enter();
    bool done = hand_short(&processors[mock_cpu], call, a);
    if (done)
        tlb_switch(on_cpu(mock_cpu));
    return done;
}

int64_t mock_call(struct env *self, uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                  uint64_t e, uint64_t f)
{
    const uint64_t arguments[6] = {a, b, c, d, e, f};

    enter();
    return call_dispatch(call_is_own(number) ? self : env_application(self), number, arguments);
}

struct env *mock_env(int64_t name)
{
    return name > 0 ? env_find(NULL, (env_t){(uint32_t)name}) : NULL;
}

struct exo_control *mock_control(const struct env *env)
{
    return machine_frame(env->control);
}

struct env *mock_child(struct env *parent, uint32_t pages, bool run)
{
    return mock_child_with(parent, pages, 0, 0, run);
}

struct env *mock_child_with(struct env *parent, uint32_t pages, uint32_t children, uint32_t queues,
                            bool run)
{
    uint32_t left[EXO_RESOURCES];
    for (uint32_t r = 0; r < EXO_RESOURCES; r++)
        left[r] = parent->quota[r] - parent->used[r];
    int64_t name = CALL(parent, ENV_CREATE, pages, children, queues, left[EXO_R_GRANTS] / 4,
                        left[EXO_R_GATES] / 4, left[EXO_R_FILTERS] / 4);

    if (name < 0)
        return NULL;
    uint64_t n = (uint64_t)name;
    int64_t root = CALL(parent, PAGE_ALLOC, n, EXO_FRAME_ANY, EXO_PML4);
    int64_t control = CALL(parent, PAGE_ALLOC, n, EXO_FRAME_ANY, EXO_CONTROL);
    if (root < 0 || control < 0 || CALL(parent, ENV_SET, n, EXO_ENV_SET_ROOT, (uint64_t)root) ||
        CALL(parent, ENV_SET, n, EXO_ENV_SET_CONTROL, (uint64_t)control) ||
        (run && CALL(parent, ENV_RUN, n, 0x400000, 0x500000)))
        return NULL;
    return mock_env(name);
}

struct env *mock_vcpu(struct env *app, uint32_t cpu)
{
    int64_t name = CALL(app, ENV_CREATE, 0, 0, 0);
    int64_t control = CALL(app, PAGE_ALLOC, EXO_ENV_SELF, EXO_FRAME_ANY, EXO_CONTROL);

    if (name < 0)
        return NULL;
    uint64_t n = (uint64_t)name;
    if (control < 0 || CALL(app, ENV_SET, n, EXO_ENV_SET_VCPU, cpu) ||
        CALL(app, ENV_SET, n, EXO_ENV_SET_CONTROL, (uint64_t)control) ||
        CALL(app, ENV_RUN, n, 0x400000, 0x500000))
        return NULL;
    return mock_env(name);
}

struct env *mock_child_in(struct env *parent, uint32_t slot, uint32_t pages)
{
    for (uint32_t tries = 0; tries < MOCK_ENVS; tries++) {
        struct env *child = mock_child(parent, pages, true);
        if (!child || child == &envs[slot])
            return child;
        CALL(parent, ENV_KILL, child->name.n);
        mock_reclaim(parent, child->name);
    }
    return NULL;
}

int64_t mock_reclaim(struct env *parent, env_t name)
{
    int64_t calls = 0, result;

    if (mock_env(name.n) && mock_env(name.n)->on)
        mock_next(); /* it was told, and lets go */
    do {
        result = CALL(parent, ENV_RECLAIM, name.n);
        calls++;
    } while (result == 1 && calls < 100000);
    return result ? result : calls;
}

struct exo_filter mock_mac(uint64_t mac)
{
    return (struct exo_filter){.value = {.mac = mac}, .mask = {.mac = EXO_MAC_ALL}};
}

#define FILTER_PLACE (EXO_PAGE_SIZE - sizeof(struct exo_filter))

/* A call with the filter in the caller's control page. */
static int64_t call_with(struct env *self, uint64_t number, uint64_t a, uint64_t b, uint64_t c,
                         uint64_t d, struct exo_filter filter)
{
    void *place = (char *)mock_control(self) + FILTER_PLACE;
    struct exo_filter before;

    memcpy(&before, place, sizeof(before));
    memcpy(place, &filter, sizeof(filter));
    int64_t result = mock_call(self, number, a, b, c, d, 0, 0);
    memcpy(place, &before, sizeof(before));
    return result;
}

int64_t mock_filter(struct env *self, uint64_t queue, struct exo_filter filter)
{
    return call_with(self, EXO_CALL_FILTER_ADD, queue, self->control.n, FILTER_PLACE, 0, filter);
}

int64_t mock_allow(struct env *self, uint64_t child, struct exo_filter filter)
{
    return call_with(self, EXO_CALL_ENV_SET, child, EXO_ENV_SET_ALLOW, self->control.n,
                     FILTER_PLACE, filter);
}

void mock_confine(struct env *env, uint64_t mac)
{
    env->allow[0] = mock_mac(mac);
    env->allowances = 1;
}

int64_t mock_queue(struct env *self, uint64_t mac)
{
    int64_t frame[EXO_RINGS + 1];

    for (uint32_t i = 0; i <= EXO_RINGS; i++) {
        frame[i] = CALL(self, PAGE_ALLOC, EXO_ENV_SELF, EXO_FRAME_ANY,
                        i < EXO_RINGS ? EXO_RING : EXO_DATA);
        if (frame[i] < 0)
            return -1;
    }
    int64_t queue = CALL(self, QUEUE_BIND, 0, (uint64_t)frame[0], (uint64_t)frame[1],
                         (uint64_t)frame[2], (uint64_t)frame[3]);
    if (queue < 0 || mock_filter(self, (uint64_t)queue, mock_mac(mac)) < 0 ||
        CALL(self, QUEUE_BUFFER, (uint64_t)queue, 0, (uint64_t)frame[EXO_RINGS]))
        return -1;
    uint8_t *packet = machine_frame((frame_t){(uint32_t)frame[EXO_RINGS]});
    for (uint32_t i = 0; i < 6; i++)
        packet[6 + i] = (uint8_t)(mac >> (40 - 8 * i));
    struct exo_ring *ring = machine_frame((frame_t){(uint32_t)frame[EXO_RING_TRANSMIT]});
    struct exo_ring *fill = machine_frame((frame_t){(uint32_t)frame[EXO_RING_FILL]});
    fill->desc[0] = (struct exo_desc){1, 0, 0, 0};
    fill->producer = 1;
    ring->desc[0] = (struct exo_desc){0, 0, 600, 0};
    ring->producer = 1;
    CALL(self, QUEUE_KICK, (uint64_t)queue);
    return queue;
}

/* The leaf that the tables have for an address, 0 if none. */
static uint64_t walk(uint32_t root, uint64_t address)
{
    uint64_t entry = (uint64_t)root << EXO_PAGE_SHIFT;

    for (int shift = 39; shift >= 12; shift -= 9) {
        const uint64_t *table = (const void *)(ram + (entry & PTE_ADDRESS));
        entry = table[address >> shift & 511];
        if (!(entry & PTE_PRESENT))
            return 0;
        if (entry & PTE_LARGE)
            break;
    }
    return entry;
}

bool mock_touch(uint64_t address)
{
    struct tlb *tlb = &tlbs[mock_cpu];

    address &= ~0xfffull;
    if (!current)
        return false;
    for (uint32_t i = 0; i < tlb->used; i++)
        if (tlb->known[i].address == address)
            return true;
    uint64_t entry = walk(current->root.n, address);
    if (!entry)
        return false;
    uint32_t at = tlb->used < TLB_SIZE ? tlb->used++ : (uint32_t)(address >> 12) % TLB_SIZE;
    tlb->known[at].address = address;
    tlb->known[at].entry = entry;
    return true;
}

bool mock_tlb_clean(void)
{
    for (const struct tlb *tlb = tlbs; tlb < tlbs + MOCK_CPUS; tlb++)
        for (uint32_t i = 0; i < tlb->used; i++)
            if (walk(tlb->root, tlb->known[i].address) != tlb->known[i].entry)
                return false;
    return true;
}

bool mock_tlb_knows(uint32_t frame)
{
    for (const struct tlb *tlb = tlbs; tlb < tlbs + MOCK_CPUS; tlb++)
        for (uint32_t i = 0; i < tlb->used; i++)
            if (PTE_FRAME(tlb->known[i].entry) == frame)
                return true;
    return false;
}

static struct {
    struct frame frames[MOCK_FRAMES];
    struct env envs[MOCK_ENVS];
    struct queue queues[MOCK_QUEUES];
    struct processor processors[MOCK_CPUS];
    struct gate gates[GATE_TABLE];
    uint16_t slices[MOCK_SLICES];
    struct grant grants[MOCK_GRANTS];
    struct block blocks[MOCK_FRAMES / MOCK_BLOCK + 1];
    struct filter filters[EXO_FILTERS];
    struct list places[FILTER_PLACES], filters_free, hearers[NICS];
    uint32_t filters_touched;
    struct group groups[GROUPS];
    struct set stalled, waiting;
    uint8_t ram[MOCK_FRAMES * EXO_PAGE_SIZE];
    uint32_t free_count, console_used;
    struct list grants_free;
} saved;

static void filters_save(void)
{
    memcpy(saved.filters, filters, (filters_touched + 1u) * sizeof(*filters));
    memcpy(saved.places, filter_places, sizeof(saved.places));
    memcpy(saved.hearers, filter_hearers, sizeof(saved.hearers));
    saved.filters_free = filters_free;
    saved.filters_touched = filters_touched;
}

static bool filters_unchanged(void)
{
    return saved.filters_free.first == filters_free.first &&
           saved.filters_touched == filters_touched &&
           !memcmp(saved.filters, filters, (filters_touched + 1u) * sizeof(*filters)) &&
           !memcmp(saved.places, filter_places, sizeof(saved.places)) &&
           !memcmp(saved.hearers, filter_hearers, sizeof(saved.hearers));
}

void mock_snapshot(bool full)
{
    memcpy(saved.frames, frames, sizeof(saved.frames));
    memcpy(saved.envs, envs, MOCK_ENVS * sizeof(*envs));
    memcpy(saved.processors, processors, mock_cpus * sizeof(*processors));
    memcpy(saved.slices, slice_owner, slice_count * sizeof(*slice_owner));
    memcpy(saved.grants, grants, sizeof(saved.grants));
    memcpy(saved.blocks, blocks, sizeof(saved.blocks));
    saved.grants_free = grants_free;
    memcpy(saved.gates, gates, sizeof(saved.gates));
    saved.free_count = frame_free_count;
    saved.console_used = mock_console_used;
    if (full) {
        memcpy(saved.queues, queues, sizeof(saved.queues));
        filters_save();
        memcpy(saved.groups, groups, sizeof(saved.groups));
        saved.stalled = mock_nic.stalled;
        saved.waiting = mock_nic.waiting;
        memcpy(saved.ram, ram, sizeof(saved.ram));
    }
}

bool mock_unchanged(bool full)
{
    return !memcmp(saved.frames, frames, sizeof(saved.frames)) &&
           !memcmp(saved.envs, envs, MOCK_ENVS * sizeof(*envs)) &&
           !memcmp(saved.processors, processors, mock_cpus * sizeof(*processors)) &&
           !memcmp(saved.slices, slice_owner, slice_count * sizeof(*slice_owner)) &&
           !memcmp(saved.grants, grants, sizeof(saved.grants)) &&
           !memcmp(saved.blocks, blocks, sizeof(saved.blocks)) &&
           saved.grants_free.first == grants_free.first &&
           !memcmp(saved.gates, gates, sizeof(saved.gates)) &&
           saved.free_count == frame_free_count && saved.console_used == mock_console_used &&
           (!full || (!memcmp(saved.queues, queues, sizeof(saved.queues)) && filters_unchanged() &&
                      !memcmp(saved.groups, groups, sizeof(saved.groups)) &&
                      !memcmp(&saved.stalled, &mock_nic.stalled, sizeof(saved.stalled)) &&
                      !memcmp(&saved.waiting, &mock_nic.waiting, sizeof(saved.waiting)) &&
                      !memcmp(saved.ram, ram, sizeof(saved.ram))));
}
