/* SPDX-License-Identifier: MIT */
/* world.c - the machine of world.h. */
#include "world.h"
#include "reset.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct world world;
uint32_t world_touched, world_flushes;
struct flush world_flushed[WORLD_FLUSHES];
jmp_buf world_escape;

uint64_t machine_tsc_hz = 1000, machine_boot_tsc = 7; /* two ticks a slice */
uint32_t machine_cpus = 1;
uint32_t calls_unbooked;

static uint64_t ram[WORLD_FRAMES][EXO_PAGE_SIZE / 8];
static struct frame frame_table[WORLD_FRAMES];
static struct exo_account account_table[EXO_ENVS];
static struct block block_table[WORLD_FRAMES / WORLD_BLOCK + 1];
static _Alignas(64) uint8_t tables[WORLD_TABLES];
static const struct table_counts counts = {EXO_ENVS, EXO_QUEUES, EXO_SLICES, EXO_GRANTS, 1};

/* --- the machine below the core ---------------------------------------------------- */

static bool nic_ready(struct nic *nic, uint32_t pieces)
{
    (void)nic, (void)pieces;
    return !world.flight.busy;
}

static void nic_send(struct nic *nic, const struct packet *p)
{
    (void)nic;
    if (world.flight.busy)
        panic("a packet for a NIC that is full");
    uint32_t rest = p->piece->length - p->head_length;
    world.flight = (struct flight){
        true, p->piece->cookie, rest ? p->piece->address + p->head_length : 0, p->length, {0}};
    tuple_read(&world.flight.from, p->head, p->head_length);
    tuple_turn(&world.flight.from, mac_at(p->head + 6));
}

static void nic_flush(struct nic *nic, bool await)
{
    (void)nic, (void)await;
}

static bool nic_poll(struct nic *nic)
{
    (void)nic; /* the device is done when the explorer says so, and then tells by itself */
    return false;
}

static struct nic the_nic = {.name = "model",
                             .mac = 0x020000000001,
                             .link = true,
                             .send_ready = nic_ready,
                             .send = nic_send,
                             .flush = nic_flush,
                             .poll = nic_poll};

/* What the device reaches is compared in tests/unit/core: here it changes no state. */
void dma_map(const struct nic *nic, uint32_t queue, uint32_t index, frame_t frame)
{
    (void)nic, (void)queue, (void)index, (void)frame;
}

void dma_unmap(const struct nic *nic, uint32_t queue)
{
    (void)nic, (void)queue;
}

void *machine_frame(frame_t frame)
{
    if (frame.n >= frame_count || frames[frame.n].type == EXO_KERNEL)
        panic("the core asks for the contents of frame %u", frame.n);
    world_touched |= 1u << frame.n;
    return ram[frame.n];
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
    if (world_flushes < WORLD_FLUSHES)
        world_flushed[world_flushes++] = (struct flush){root.n, address};
}

void machine_root_free(frame_t root)
{
    machine_tlb_flush(root, MACHINE_TLB_ALL);
}

uint64_t machine_time(void)
{
    return world.now;
}

void machine_console(const char *text, size_t length)
{
    (void)text;
    (void)length;
}

int32_t machine_channel_read(uint8_t *to, uint32_t room)
{
    uint32_t count = world.arrived < room ? world.arrived : room;

    memset(to, '?', count);
    world.arrived -= count;
    return (int32_t)count;
}

int32_t machine_channel_write(const uint8_t *from, uint32_t length)
{
    (void)from;
    return (int32_t)length;
}

void klog(const char *format, ...)
{
    (void)format;
}

void panic(const char *format, ...)
{
    va_list arguments;

    printf("# panic: ");
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
    longjmp(world_escape, 1);
}

/* --- the whole state ----------------------------------------------------------------- */

struct variable {
    void *at;
    size_t size;
};
extern const struct variable variables_account[], variables_block[], variables_channel[],
    variables_tables[];
extern const struct variable variables_batch[], variables_filter[], variables_gate[],
    variables_group[];
extern const struct variable variables_grant[], variables_notify[], variables_tuple[];
extern const struct variable variables_console[], variables_cpu[], variables_env[],
    variables_frame[], variables_info[], variables_queue[], variables_revoke[], variables_slice[],
    variables_table[];
static const struct variable variables_machine[] = {{&world, sizeof(world)},
                                                    {frame_table, sizeof(frame_table)},
                                                    {account_table, sizeof(account_table)},
                                                    {block_table, sizeof(block_table)},
                                                    {tables, sizeof(tables)},
                                                    {&the_nic, sizeof(the_nic)},
                                                    {NULL, 0}};
static const struct variable *const all_variables[] = {
    variables_batch,  variables_filter, variables_tuple,  variables_channel, variables_gate,
    variables_group,  variables_grant,  variables_notify, variables_console, variables_cpu,
    variables_env,    variables_frame,  variables_info,   variables_queue,   variables_revoke,
    variables_slice,  variables_table,  variables_tables, variables_account, variables_block,
    variables_machine};

/* Calls `visit` for each variable and its place in a snapshot until it returns false. */
static bool each_variable(bool (*visit)(const struct variable *, void *), void *snapshot)
{
    uint8_t *place = snapshot;

    for (uint32_t i = 0; i < sizeof(all_variables) / sizeof(*all_variables); i++)
        for (const struct variable *v = all_variables[i]; v->at; v++) {
            if (!visit(v, place))
                return false;
            place += (v->size + 15) / 16 * 16;
            if (place > (uint8_t *)snapshot + WORLD_VARIABLES)
                abort(); /* WORLD_VARIABLES is too small */
        }
    return true;
}

static bool copy_out(const struct variable *v, void *place)
{
    memcpy(place, v->at, v->size);
    return true;
}

static bool copy_in(const struct variable *v, void *place)
{
    memcpy(v->at, place, v->size);
    return true;
}

static bool is_equal(const struct variable *v, void *place)
{
    return !memcmp(v->at, place, v->size);
}

static const void *wanted, *found;

static bool is_wanted(const struct variable *v, void *place)
{
    size_t offset = (size_t)((const uint8_t *)wanted - (const uint8_t *)v->at);

    if (offset < v->size)
        found = (uint8_t *)place + offset;
    return offset >= v->size;
}

const void *snapshot_find(const struct snapshot *in, const void *variable, size_t size)
{
    (void)size;
    wanted = variable;
    found = NULL;
    each_variable(is_wanted, (void *)(uintptr_t)in->variables);
    if (!found)
        abort(); /* no such variable */
    return found;
}

static uint64_t hash_words(const uint64_t *word, size_t count, uint64_t hash)
{
    for (size_t i = 0; i < count; i++) {
        hash = (hash ^ word[i]) * 0x9e3779b97f4a7c15ull;
        hash ^= hash >> 29;
    }
    return hash;
}

void world_save(struct snapshot *to)
{
    each_variable(copy_out, to->variables);
    for (uint32_t n = WORLD_KERNEL; n < frame_count; n++)
        if (world_touched >> n & 1) {
            memcpy(to->ram[n], ram[n], sizeof(ram[n]));
            to->ram_hash[n] = hash_words(ram[n], EXO_PAGE_SIZE / 8, n);
        }
}

void world_load(const struct snapshot *from, bool whole)
{
    each_variable(copy_in, (void *)(uintptr_t)from->variables);
    for (uint32_t n = WORLD_KERNEL; n < frame_count; n++)
        if (whole || world_touched >> n & 1)
            memcpy(ram[n], from->ram[n], sizeof(ram[n]));
    world_touched = world_flushes = 0;
}

bool world_unchanged(const struct snapshot *since)
{
    for (uint32_t n = WORLD_KERNEL; n < frame_count; n++)
        if (world_touched >> n & 1 && memcmp(ram[n], since->ram[n], sizeof(ram[n])))
            return false;
    return each_variable(is_equal, (void *)(uintptr_t)since->variables);
}

static uint64_t hash_seed, hash_so_far;

static bool hash_variable(const struct variable *v, void *place)
{
    uint64_t word = 0;

    (void)place;
    hash_so_far = hash_words(v->at, v->size / 8, hash_so_far + hash_seed);
    memcpy(&word, (const uint8_t *)v->at + v->size / 8 * 8, v->size % 8);
    hash_so_far = hash_words(&word, 1, hash_so_far);
    return true;
}

static uint64_t hash_state(const struct snapshot *parent, uint64_t seed)
{
    uint8_t nothing[WORLD_VARIABLES];

    hash_seed = hash_so_far = seed;
    each_variable(hash_variable, nothing);
    for (uint32_t n = WORLD_KERNEL; n < frame_count; n++) {
        uint64_t frame = parent->ram_hash[n];
        if (world_touched >> n & 1)
            frame = hash_words(ram[n], EXO_PAGE_SIZE / 8, n);
        hash_so_far = hash_words(&frame, 1, hash_so_far);
    }
    return hash_so_far;
}

struct hash world_hash(const struct snapshot *parent)
{
    return (struct hash){hash_state(parent, 1), hash_state(parent, 0x632be59bd9b4e019ull)};
}

static uint32_t leaves_below(struct leaf *to, uint32_t room, uint32_t root, uint32_t table,
                             uint64_t address)
{
    uint32_t type = frames[table].type, found_leaves = 0, entries = frames[table].entries;
    uint32_t end = type == EXO_PML4 ? 256 : 512, shift = EXO_PAGE_SHIFT + 9 * (EXO_PT - type);

    for (uint32_t i = 0; i < end && entries && found_leaves < room; i++) {
        uint64_t entry = ram[table][i], at = address | (uint64_t)i << shift;
        if (!entry)
            continue;
        entries--;
        if (type == EXO_PT || (type == EXO_PD && entry & PTE_LARGE))
            to[found_leaves++] = (struct leaf){root, at, entry};
        else if (PTE_FRAME(entry) < frame_count && frames[PTE_FRAME(entry)].type == type + 1)
            found_leaves += leaves_below(to + found_leaves, room - found_leaves, root,
                                         (uint32_t)PTE_FRAME(entry), at);
    }
    return found_leaves;
}

uint32_t world_leaves(struct leaf leaves[WORLD_LEAVES])
{
    uint32_t count = 0;

    for (uint32_t n = WORLD_KERNEL; n < frame_count; n++)
        if (frames[n].type == EXO_PML4)
            count += leaves_below(leaves + count, WORLD_LEAVES - count, n, n, 0);
    return count;
}

void world_boot(uint32_t frame_total)
{
    memset(ram, 0xa5, sizeof(ram));
    memset(gates, 0, sizeof(gates));
    if (tables_lay(NULL, &counts) > sizeof(tables))
        abort(); /* WORLD_TABLES is too small */
    memset(tables, 0, sizeof(tables));
    tables_lay(tables, &counts);
    reset_filters();
    memset(&world, 0, sizeof(world));
    world.now = WORLD_NOW;
    the_nic.stalled = the_nic.waiting = (struct set){0};
    the_nic.carrying = false;
    the_nic.turn = 0;
    nics[0] = &the_nic;
    nic_count = 1;
    frame_init(frame_table, frame_total);
    memset(account_table, 0, sizeof(account_table));
    account_init((frame_t){EXO_FRAME_NONE}, account_table, (frame_t){EXO_FRAME_NONE});
    frame_publish((frame_t){WORLD_FACTS}, EXO_PAGE_SIZE);
    memset(block_table, 0, sizeof(block_table));
    block_init(block_table, WORLD_BLOCK);
    frame_add_free(WORLD_KERNEL, frame_total - WORLD_KERNEL);

    struct env *first = env_first(frame_total - WORLD_KERNEL);
    const uint64_t root[6] = {EXO_ENV_SELF, EXO_FRAME_ANY, EXO_PML4};
    const uint64_t control[6] = {EXO_ENV_SELF, EXO_FRAME_ANY, EXO_CONTROL};
    first->root.n = (uint32_t)call_dispatch(first, EXO_CALL_PAGE_ALLOC, root);
    first->control.n = (uint32_t)call_dispatch(first, EXO_CALL_PAGE_ALLOC, control);
    frame_pin(first->root);
    frame_pin(first->control);
    env_start(first, 0x400000, 0x500000, 0);
    ((struct exo_control *)machine_frame(first->control))->upcall_entry = 0x401000;
    ((struct exo_control *)machine_frame(first->control))->upcall_stack = 0x501000;
    cpu_next(&processors[0], world.now, &world.alarm);
    inv_begin();
}
