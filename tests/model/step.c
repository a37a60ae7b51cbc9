/* SPDX-License-Identifier: MIT */
/* step.c - one step of a model: taken, and printed as C. */
#include "batch.h"
#include "model.h"
#include "prefer.h"

#include <inttypes.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

static const char *const ring_names[] = {"FILL", "RECEIVE", "TRANSMIT", "COMPLETE"};

/* A stamp counts from now, so that it means the same in every state; 0 and 1 are as they are. */
static void stamps(const struct step *step, uint64_t a[6])
{
    if ((step->call == EXO_CALL_WAIT || step->call == EXO_CALL_TIMER) && a[0] > 1)
        a[0] += world.now;
    if (step->call == EXO_CALL_REVOKE_START && a[2] > 1)
        a[2] += world.now;
}

static struct queue *queue_of_slot(uint64_t slot)
{
    for (uint32_t i = 0; i < EXO_QUEUES; i++)
        if (queues[i].owner == slot)
            return &queues[i];
    return NULL;
}

static uint32_t kernel_index(const struct queue *q, uint64_t ring)
{
    const uint32_t index[EXO_RINGS] = {q->filled, q->received, q->sent, q->completed};

    return index[ring];
}

/* The word that the application writes to say how far it is. */
static uint32_t *shared_index(const struct queue *q, uint64_t ring)
{
    struct exo_ring *shared = machine_frame(q->ring[ring]);

    return ring == EXO_RING_FILL || ring == EXO_RING_TRANSMIT ? &shared->producer
                                                              : &shared->consumer;
}

static void put_mac(uint8_t *bytes, uint64_t mac)
{
    for (uint32_t i = 0; i < 6; i++)
        bytes[i] = (uint8_t)(mac >> (40 - 8 * i));
}

/* A filter for a MAC, and for a port of UDP over IPv4 if one is given. */
static struct exo_filter step_filter(uint64_t mac, uint64_t port)
{
    struct exo_filter f = {.value = {.mac = mac}, .mask = {.mac = EXO_MAC_ALL}};

    if (!port)
        return f;
    f.value.family = 4;
    f.value.protocol = EXO_PROTOCOL_UDP;
    f.value.local_port = (uint16_t)port;
    f.mask.family = f.mask.protocol = 0xff;
    f.mask.local_port = 0xffff;
    f.mask.ports = f.value.ports = 1;
    return f;
}

/* What an application with a queue writes into memory that it shares. */
static int64_t take_write(const struct step *step)
{
    const uint64_t *a = step->a;
    const struct queue *q = queue_of_slot(a[0]);

    if (!q || envs[a[0]].state != EXO_ENV_LIVE)
        return STEP_IMPOSSIBLE;
    if (step->kind == STEP_PACKET) {
        uint8_t *packet = machine_frame(q->buffer[0]);
        put_mac(packet, a[1]);
        put_mac(packet + 6, a[2]);
        return 0;
    }
    struct exo_ring *ring = machine_frame(q->ring[a[1]]);
    if (step->kind == STEP_INDEX)
        *shared_index(q, a[1]) = kernel_index(q, a[1]) + (uint32_t)a[2];
    else if (step->kind == STEP_ARM)
        ring->armed = 1;
    else
        ring->desc[a[2]] = (struct exo_desc){(uint16_t)a[3], 0, (uint16_t)a[4], 0};
    return 0;
}

static int64_t take_list(const struct step *step)
{
    const uint64_t *a = step->a;
    const struct env *env = &envs[a[0]];

    if (env->state != EXO_ENV_LIVE || !env->revoke.list.n)
        return STEP_IMPOSSIBLE;
    struct exo_preferred *entry = machine_frame(env->revoke.list);
    entry[a[1]] = (struct exo_preferred){(uint32_t)a[2], (uint32_t)a[3], (uint32_t)a[4], 0};
    return 0;
}

static int64_t take_batched(const struct step *step)
{
    const uint64_t *a = step->a;
    struct exo_operation *batch = (void *)((char *)machine_frame(envs[a[0]].control) + STEP_BATCH);

    batch[a[1]] = (struct exo_operation){step->call, {a[2], a[3], a[4], a[5]}, 0};
    return 0;
}

static int64_t take_event(const struct step *step)
{
    const uint64_t *a = step->a;
    uint8_t packet[EXO_PACKET_MIN + 1] = {0};

    switch (step->kind) {
    case STEP_FILTER: {
        struct exo_filter filter = step_filter(a[2], a[3]);
        memcpy((char *)machine_frame(envs[a[0]].control) + STEP_FILTER_PLACE(a[1]), &filter,
               sizeof(filter));
        return 0;
    }
    case STEP_TICKS:
        if (!a[0] && world.alarm == UINT64_MAX)
            return STEP_IMPOSSIBLE;
        world.now = a[0] ? world.now + a[0] : world.alarm;
        return 0;
    case STEP_FAULT:
        if (!current)
            return STEP_IMPOSSIBLE;
        cpu_fault(current, 14, 0, 0x1234);
        return 0;
    case STEP_FOREIGN:
        if (!current)
            return STEP_IMPOSSIBLE;
        current->context.rax = STEP_NO_CALL;
        cpu_call(current);
        return 0;
    case STEP_NEWS:
        if (envs[a[0]].state != EXO_ENV_LIVE)
            return STEP_IMPOSSIBLE;
        env_pend(&envs[a[0]], EXO_UP_QUEUE);
        return 0;
    case STEP_CONTROL:
        if (!current)
            return STEP_IMPOSSIBLE;
        ((uint64_t *)machine_frame(current->control))[a[0]] = a[1];
        return 0;
    case STEP_RECEIVE:
        put_mac(packet, a[0]);
        packet_received(nics[0], packet, sizeof(packet));
        return 0;
    case STEP_ARRIVE:
        world.arrived = a[0];
        channel_arrived();
        return 0;
    case STEP_LIST:
        return take_list(step);
    case STEP_BATCHED:
        return take_batched(step);
    case STEP_SENT:
        if (!world.flight.busy)
            return STEP_IMPOSSIBLE;
        uint32_t cookie = world.flight.cookie;
        world.flight = (struct flight){0};
        nic_sent(nics[0], cookie);
        return 0;
    case STEP_CARRY:
        if (!nics[0]->carrying)
            return STEP_IMPOSSIBLE;
        nic_carry(nics[0]);
        return 0;
    default:
        return take_write(step);
    }
}

int64_t step_take(const struct model *model, const struct step *step)
{
    struct env *self = &envs[step->actor];
    uint64_t a[6];

    if (step->kind != STEP_CALL)
        return take_event(step);
    if (self->state != EXO_ENV_LIVE || (model->cpu && self != current))
        return STEP_IMPOSSIBLE;
    memcpy(a, step->a, sizeof(a));
    stamps(step, a);
    return call_dispatch(self, step->call, a);
}

/* --- printing ----------------------------------------------------------------------- */

static bool names_env(uint32_t call, uint32_t argument)
{
    return argument == 0 ? call == EXO_CALL_PAGE_ALLOC ||
                               (call >= EXO_CALL_ENV_SET && call <= EXO_CALL_ENV_RECLAIM) ||
                               call == EXO_CALL_REVOKE_START || call == EXO_CALL_REVOKE_TAKE ||
                               call == EXO_CALL_NOTIFY_ALLOW || call == EXO_CALL_NOTIFY
           : argument == 1 ? call == EXO_CALL_PAGE_GIVE || call == EXO_CALL_PAGE_GRANT ||
                                 call == EXO_CALL_SLICE_SET || call == EXO_CALL_GATE_GRANT
                           : false;
}

static void print_argument(const struct step *step, uint32_t i, int64_t result)
{
    uint64_t value = step->a[i];

    if (names_env(step->call, i) && value && EXO_ENV_SLOT(value) < EXO_ENVS)
        printf(", envs[%u].name.n%s", (uint32_t)EXO_ENV_SLOT(value),
               value >> EXO_ENV_SLOT_BITS == 1 ? "" : " + (0x7e << EXO_ENV_SLOT_BITS)");
    else if (step->call >= EXO_CALL_GATE_DELETE && step->call <= EXO_CALL_GATE_CALL && !i && value)
        printf(", gates[%u].name.n%s", (uint32_t)EXO_GATE_SLOT(value),
               value / EXO_GATE_SLOTS == 1 ? "" : " + 0x7e000");
    else if (step->call == EXO_CALL_PAGE_ALLOC && i == 1 && value == EXO_FRAME_ANY && result > 0)
        printf(", %" PRId64, result); /* the one that was taken */
    else if ((step->call == EXO_CALL_WAIT || step->call == EXO_CALL_TIMER ||
              (step->call == EXO_CALL_REVOKE_START && i == 2)) &&
             value > 1)
        printf(", mock_now + %" PRIu64, value);
    else
        printf(value > 0xffff ? ", 0x%" PRIx64 : ", %" PRIu64, value);
}

static void print_call(const struct step *step, int64_t result)
{
    uint32_t last = 5;

    while (last && !step->a[last - 1])
        last--;
    printf("    CALL(&envs[%u], ", step->actor);
    for (const char *name = exo_call_name(step->call); *name; name++)
        putchar(toupper(*name)); /* as the number's constant is spelt */
    for (uint32_t i = 0; i < last; i++)
        print_argument(step, i, result);
    printf("); /* %" PRId64 " */\n", result);
}

static void print_mac(const struct queue *q, uint32_t at, uint64_t mac)
{
    printf("    memcpy((uint8_t *)machine_frame((frame_t){%u}) + %u, (uint8_t[6]){%u, %u, %u, %u, "
           "%u, %u}, 6);\n",
           q->buffer[0].n, at, (uint8_t)(mac >> 40), (uint8_t)(mac >> 32), (uint8_t)(mac >> 24),
           (uint8_t)(mac >> 16), (uint8_t)(mac >> 8), (uint8_t)mac);
}

static void print_write(const struct step *step)
{
    const uint64_t *a = step->a;
    const struct queue *q = queue_of_slot(a[0]);

    if (!q)
        return;
    if (step->kind == STEP_PACKET) {
        print_mac(q, 0, a[1]);
        print_mac(q, 6, a[2]);
        return;
    }
    printf("    ((struct exo_ring *)machine_frame((frame_t){%u}))->", q->ring[a[1]].n);
    if (step->kind == STEP_DESC)
        printf("desc[%" PRIu64 "] = (struct exo_desc){%" PRIu64 ", 0, %" PRIu64 ", 0};\n", a[2],
               a[3], a[4]);
    else if (step->kind == STEP_ARM)
        printf("armed = 1; /* of %s */\n", ring_names[a[1]]);
    else
        printf("%s = %uu; /* of %s: the kernel's %+d */\n",
               a[1] == EXO_RING_FILL || a[1] == EXO_RING_TRANSMIT ? "producer" : "consumer",
               kernel_index(q, a[1]) + (uint32_t)a[2], ring_names[a[1]], (int)a[2]);
}

void step_print(const struct model *model, const struct step *step, int64_t result)
{
    static const char *const words[] = {"upcall_entry", "upcall_stack", "disabled"};
    const uint64_t *a = step->a;

    switch (step->kind) {
    case STEP_CALL:
        print_call(step, result);
        break;
    case STEP_TICKS:
        if (a[0])
            printf("    mock_now += %" PRIu64 ";\n", a[0]);
        else
            printf("    mock_now = mock_alarm;\n");
        break;
    case STEP_FILTER:
        printf("    /* filter of MAC 0x%" PRIx64 " and UDP port %" PRIu64
               " at %u of the control page of envs[%" PRIu64 "] */\n",
               a[2], a[3], STEP_FILTER_PLACE((uint32_t)a[1]), a[0]);
        break;
    case STEP_FAULT:
        printf("    cpu_fault(current, 14, 0, 0x1234);\n");
        break;
    case STEP_FOREIGN:
        printf("    current->context.rax = %u;\n    cpu_call(current);\n", STEP_NO_CALL);
        break;
    case STEP_BATCHED:
        printf("    ((struct exo_operation *)((char *)mock_control(&envs[%" PRIu64
               "]) + %u))[%" PRIu64 "] = (struct exo_operation){%u, {%" PRIu64 ", %" PRIu64
               ", %" PRIu64 ", %" PRIu64 "}, 0};\n",
               a[0], STEP_BATCH, a[1], step->call, a[2], a[3], a[4], a[5]);
        break;
    case STEP_NEWS:
        printf("    env_pend(&envs[%" PRIu64 "], EXO_UP_QUEUE);\n", a[0]);
        break;
    case STEP_CONTROL:
        printf("    mock_control(current)->%s = %s0x%" PRIx64 ";\n",
               a[0] < 3 ? words[a[0]] : "call_deadline",
               a[1] > WORLD_NOW && a[0] > 2 ? "mock_now + " : "",
               a[1] > WORLD_NOW && a[0] > 2 ? a[1] - WORLD_NOW : a[1]);
        break;
    case STEP_RECEIVE:
        printf("    packet_received(nics[0], (uint8_t[15]){0x%02x, 0, 0, 0, 0, %u}, 15);\n",
               (uint32_t)(a[0] >> 40), (uint32_t)a[0] & 0xff);
        break;
    case STEP_ARRIVE:
        printf("    mock_arrived_count = %" PRIu64 ";\n    channel_arrived();\n", a[0]);
        break;
    case STEP_LIST:
        printf("    ((struct exo_preferred *)machine_frame(envs[%" PRIu64 "].revoke.list))[%" PRIu64
               "] = (struct exo_preferred){%" PRIu64 ", %" PRIu64 ", %" PRIu64 ", 0};\n",
               a[0], a[1], a[2], a[3], a[4]);
        break;
    case STEP_SENT:
        printf("    nics[0]->poll(nics[0]);\n");
        break;
    case STEP_CARRY:
        printf("    nic_carry(nics[0]);\n");
        break;
    default:
        print_write(step);
    }
    if (model->cpu)
        printf("    mock_next();\n");
}
