/* SPDX-License-Identifier: MIT */
/* world.c - what libnet stands on, for tests (world.h). */
#include "world.h"

#include <errno.h>
#include <sanitizer/asan_interface.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../tap.h"
#include "card.h"
#include "event.h"
#include "fd.h"
#include "libos.h"
#include "net.h"
#include "ring.h"

#define PAGES 1024
#define MS    1000000ull
#define STEPS 200000 /* sleep that lasts longer is taken for a hang */

int world_pthread_create(void *thread, const void *attributes, void *(*entry)(void *), void *arg);

uint32_t world_offloads __attribute__((weak));
uint64_t world_now = 1000 * MS, world_kicks;
char world_log[512];
void (*world_sent)(const uint8_t *frame, uint32_t length);
void (*world_step)(void);

/* --- memory: pages have frame numbers ------------------------------------------------------- */

static uint8_t memory[PAGES][EXO_PAGE_SIZE] __attribute__((aligned(EXO_PAGE_SIZE)));
static uint32_t pages_used;

#define START_FRAME 0x10000u /* where the fake kernel sees the start page */

void *vm_alloc(uint32_t pages, uint32_t type)
{
    (void)type;
    if (pages > PAGES - pages_used)
        return NULL;
    pages_used += pages;
    return memory[pages_used - pages];
}

frame_t vm_frame(uint64_t address)
{
    if (address == (uint64_t)libos_start_info)
        return (frame_t){START_FRAME};
    return (frame_t){(uint32_t)((address - (uint64_t)memory) / EXO_PAGE_SIZE) + 1};
}

static void *page(frame_t frame)
{
    return memory[frame.n - 1];
}

void critical_enter(void)
{
}

void critical_exit(void)
{
}

/* --- the kernel's side of the queue ----------------------------------------------------------- */

static struct {
    struct exo_ring *ring[EXO_RINGS];
    frame_t buffer[EXO_QUEUE_BUFFERS / 2];
    bool posted[EXO_QUEUE_BUFFERS]; /* with us: neither posted twice nor sent while posted */
    uint32_t filled, received, sent, completed;
    bool hold, awaited, stall, stalled;
    uint32_t held[EXO_RING_SIZE], held_count;
    uint64_t dropped;
} kernel;

static void event(void)
{
    libos_queue_events++;
}

static void must(bool holds, const char *what)
{
    if (holds)
        return;
    printf("Bail out! The fake kernel or libos is told nonsense: %s\n", what);
    abort();
}

int64_t exo_queue_bind(uint32_t nic, frame_t fill, frame_t receive, frame_t transmit,
                       frame_t complete)
{
    must(nic == 0, "a card that is not there");
    kernel.ring[EXO_RING_FILL] = page(fill);
    kernel.ring[EXO_RING_RECEIVE] = page(receive);
    kernel.ring[EXO_RING_TRANSMIT] = page(transmit);
    kernel.ring[EXO_RING_COMPLETE] = page(complete);
    return 3;
}

int64_t exo_queue_buffer(queue_t queue, uint32_t index, frame_t frame)
{
    must(queue.n == 3 && index < EXO_QUEUE_BUFFERS / 2 && !kernel.buffer[index].n, "a buffer");
    kernel.buffer[index] = frame;
    return 0;
}

int64_t exo_filter_add(queue_t queue, frame_t frame, uint32_t offset)
{
    must(queue.n == 3 && frame.n == START_FRAME && offset == offsetof(struct exo_start, allow),
         "a filter");
    return 1;
}

int64_t exo_info(uint32_t what, uint64_t which, uint32_t index)
{
    if (what == EXO_INFO_ENV)
        return index == EXO_ENV_QUOTA + EXO_R_PAGES ? 4096 : 200;
    if (what == EXO_INFO_NIC && which == 0 && index == EXO_NIC_OFFLOADS)
        return world_offloads;
    must(what == EXO_INFO_QUEUE && which == 3, "a question");
    return index == offsetof(struct exo_queue_stats, rx_dropped) / 8 ? (int64_t)kernel.dropped : 0;
}

static uint8_t *buffer_of(uint32_t buffer)
{
    must(buffer < EXO_QUEUE_BUFFERS && kernel.buffer[buffer / 2].n, "a buffer that is not there");
    return (uint8_t *)page(kernel.buffer[buffer / 2]) + buffer % 2 * EXO_BUFFER_SIZE;
}

static void append(enum exo_ring_name name, uint32_t *index, struct exo_desc desc)
{
    struct exo_ring *ring = kernel.ring[name];

    must(*index - ring->consumer < EXO_RING_SIZE, "a ring that is full");
    ring->desc[*index % EXO_RING_SIZE] = desc;
    ring->producer = ++*index;
    if (ring->armed)
        event();
}

/* What libnet has given back is readable again. */
static void take_filled(void)
{
    struct exo_ring *fill = kernel.ring[EXO_RING_FILL];

    while (kernel.filled != fill->producer) {
        uint32_t buffer = fill->desc[kernel.filled++ % EXO_RING_SIZE].buffer;
        ASAN_UNPOISON_MEMORY_REGION(buffer_of(buffer), EXO_BUFFER_SIZE);
        must(!kernel.posted[buffer], "a buffer posted twice");
        kernel.posted[buffer] = true;
        kernel.held[kernel.held_count++] = buffer;
    }
}

static void piece_received(const void *bytes, uint32_t length, uint32_t flags)
{
    uint32_t buffer = kernel.held[--kernel.held_count];
    uint8_t *to = buffer_of(buffer);

    kernel.posted[buffer] = false;
    memcpy(to, bytes, length);
    ASAN_POISON_MEMORY_REGION(to + length, EXO_BUFFER_SIZE - length);
    append(EXO_RING_RECEIVE, &kernel.received,
           (struct exo_desc){(uint16_t)buffer, 0, (uint16_t)length, (uint16_t)flags});
}

bool world_receive_large(const void *frame, uint32_t length, uint32_t first, uint32_t flags)
{
    uint32_t count = 1 + (length - first + EXO_BUFFER_SIZE - 1) / EXO_BUFFER_SIZE, done = 0;

    take_filled();
    if (kernel.held_count < count) {
        kernel.dropped++;
        return false;
    }
    for (uint32_t part = first; count; count--, done += part) {
        part = done ? EXO_BUFFER_SIZE : first;
        part = part < length - done ? part : length - done;
        piece_received((const uint8_t *)frame + done, part,
                       flags | (count > 1 ? EXO_DESC_MORE : 0));
    }
    return true;
}

bool world_receive(const void *frame, uint32_t length)
{
    return world_receive_large(frame, length, length, 0);
}

static uint32_t unsent[EXO_RING_SIZE], unsent_count;

static void complete(uint32_t buffer)
{
    if (kernel.hold)
        unsent[unsent_count++] = buffer;
    else
        append(EXO_RING_COMPLETE, &kernel.completed, (struct exo_desc){.buffer = buffer});
}

/* The kernel hears of it only when it looks, or if somebody waits for it. */
static void sent(void)
{
    for (uint32_t i = 0; i < unsent_count; i++)
        complete(unsent[i]);
    unsent_count = 0;
    kernel.awaited = false;
}

void world_hold_sent(bool hold)
{
    kernel.hold = hold;
    if (!hold && kernel.awaited)
        sent();
}

void world_stall(bool stall)
{
    kernel.stall = stall;
    if (!stall && kernel.stalled)
        event();
    kernel.stalled = false;
}

/* One packet, in one buffer or, if the card takes that, in several. */
static void send_one(struct exo_ring *transmit)
{
    static uint8_t packet[EXO_PACKET_BUFFERS * EXO_BUFFER_SIZE];
    struct exo_desc desc[EXO_PACKET_BUFFERS];
    uint32_t count = 0, length = 0;

    do {
        must(count < EXO_PACKET_BUFFERS && kernel.sent != transmit->producer, "an end of a packet");
        struct exo_desc d = desc[count++] = transmit->desc[kernel.sent++ % EXO_RING_SIZE];
        must(d.offset == 0 && d.length && d.length <= EXO_BUFFER_SIZE, "a length");
        must(!kernel.posted[d.buffer], "a buffer that is posted");
        for (uint32_t i = 0; i + 1 < count; i++)
            must(desc[i].buffer != d.buffer, "a buffer twice");
        memcpy(packet + length, buffer_of(d.buffer), d.length);
        length += d.length;
    } while (desc[count - 1].flags & EXO_DESC_MORE);
    must(desc->length >= EXO_PACKET_MIN, "a length");
    must(world_offloads || (count == 1 && !desc->flags), "flags");
    transmit->consumer = kernel.sent;
    /* The frame goes out before its buffer may be used again. */
    if (world_sent)
        card_send(packet, length, desc->flags, world_sent);
    for (uint32_t i = 0; i < count; i++)
        complete(desc[i].buffer);
}

int64_t exo_queue_kick(queue_t queue)
{
    struct exo_ring *transmit = kernel.ring[EXO_RING_TRANSMIT];
    int64_t done = 0;

    must(queue.n == 3, "a queue");
    world_kicks++;
    kernel.awaited |= kernel.ring[EXO_RING_COMPLETE]->armed;
    if (!kernel.hold)
        sent();
    while (kernel.sent != transmit->producer && done < 32) {
        if (kernel.stall) {
            kernel.stalled = true;
            break;
        }
        send_one(transmit);
        done++;
    }
    return done;
}

/* --- libos ------------------------------------------------------------------------------------ */

static struct exo_start start_info = {.mac = WORLD_MAC, .allowances = 1};
static struct thread thread;
const struct exo_start *libos_start_info = &start_info;
struct vcpu vcpu_host = {.current = &thread};
uint32_t libos_queue_events;

const char *world_address __attribute__((weak)) = WORLD_ADDRESS;
const char *world_address6 __attribute__((weak)), *world_gateway6 __attribute__((weak));
const char *world_memory __attribute__((weak));

const char *libos_setting(const char *name)
{
    return !strcmp(name, "FREEHOLD_ADDRESS")      ? world_address
           : !strcmp(name, "FREEHOLD_GATEWAY")    ? WORLD_GATEWAY
           : !strcmp(name, "FREEHOLD_ADDRESS6")   ? world_address6
           : !strcmp(name, "FREEHOLD_GATEWAY6")   ? world_gateway6
           : !strcmp(name, "FREEHOLD_NET_MEMORY") ? world_memory
                                                  : NULL;
}

const void *world_constant;
size_t world_constant_bytes;

bool image_constant(const void *at, size_t bytes)
{
    size_t from = (size_t)((const char *)at - (const char *)world_constant);

    return from < world_constant_bytes && bytes <= world_constant_bytes - from;
}

const char *libos_name(void)
{
    return "test";
}

void console_printf(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(world_log, sizeof(world_log), format, arguments);
    va_end(arguments);
    printf("# %s", world_log);
}

void random_bytes(void *to, size_t length)
{
    uint8_t *at = to;

    while (length--)
        *at++ = (uint8_t)(tap_random() >> 32);
}

uint64_t time_ns(void)
{
    return world_now;
}

uint32_t event_count(void)
{
    return libos_queue_events;
}

bool event_wait(uint32_t seen, uint64_t timeout_ns)
{
    (void)seen, (void)timeout_ns;
    abort(); /* the network thread itself does not run here */
}

/*
 * One step of a world in which everybody sleeps. At most `limit` ns pass. The network thread has a
 * round only when an event came or its time is up: a wake-up that libnet loses is lost here, too.
 */
static void step(uint64_t limit)
{
    static bool inside, more = true;
    static uint32_t seen;
    static uint64_t wake_at;
    uint64_t timeout;

    must(!inside, "it sleeps inside the network thread");
    if (world_step)
        world_step();
    if (more || seen != libos_queue_events || world_now >= wake_at) {
        inside = true;
        more = net_round(&seen, &timeout);
        inside = false;
        wake_at = world_now + timeout;
    }
    if (!more && seen == libos_queue_events)
        world_now += wake_at - world_now < limit ? wake_at - world_now : limit;
}

long futex_call(uint32_t *word, int op, uint32_t value, uint64_t timeout_ns, bool timed,
                uint32_t value3)
{
    uint64_t end = world_now + timeout_ns;

    (void)value3;
    if (op != 0)
        return 0;
    for (int i = 0; i < STEPS; i++) {
        if (*word != value)
            return i ? 0 : -EAGAIN;
        if (timed && world_now >= end)
            return -ETIMEDOUT;
        step(timed ? end - world_now : UINT64_MAX);
    }
    must(false, "it sleeps for ever");
    return 0;
}

void world_pass(uint64_t ns)
{
    uint64_t end = world_now + ns;

    while (world_now < end)
        step(end - world_now);
}

int world_pthread_create(void *new, const void *attributes, void *(*entry)(void *), void *arg)
{
    (void)new, (void)attributes, (void)entry, (void)arg;
    return 0;
}

bool world_started(void)
{
    return fd_socket_call != NULL;
}

/* --- descriptors are those of libos, but for its console ------------------------------------------- */

void console_write(const char *text, size_t length)
{
    (void)text, (void)length;
}

long world_call(long n, long a, long b, long c, long d)
{
    bool known;
    long result = fd_call(n, a, b, c, d, 0, 0, &known);

    must(known, "a call that is not there");
    return result;
}
