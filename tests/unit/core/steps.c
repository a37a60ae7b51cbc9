/* SPDX-License-Identifier: MIT */
/*
 * steps.c - one random step of a machine, and what must hold after it (steps.h).
 */
#include "steps.h"

#include "mock.h"

#include "batch.h"
#include "nic.h"
#include "packet_queue.h"

#include <string.h>

uint32_t (*steps_dice)(uint32_t sides);
struct steps steps;

/* A frame of this type, mostly one that `self` may use; sometimes anything. */
static uint64_t some_frame(const struct env *self, uint32_t type)
{
    uint32_t start = steps_dice(MOCK_FRAMES);

    if (!steps_dice(12))
        return steps_dice(3) ? steps_dice(MOCK_FRAMES + 2) : EXO_FRAME_ANY;
    for (uint32_t i = 0; i < MOCK_FRAMES; i++) {
        uint32_t n = (start + i) % MOCK_FRAMES;
        if (frames[n].type == type && (!steps_dice(30) || frame_of(self, (frame_t){n})))
            return n;
    }
    return start;
}

static uint64_t some_env(const struct env *self)
{
    if (!steps_dice(4))
        return EXO_ENV_SELF;
    for (uint32_t tries = 0; tries < 20; tries++) {
        const struct env *env = &envs[1 + steps_dice(MOCK_ENVS - 1)];
        if (env->name.n && (env->parent.n == self->name.n || !steps_dice(10)))
            return env->name.n;
    }
    return steps_dice(2) ? steps_dice(1024)
                         : self->name.n - (1u << EXO_ENV_SLOT_BITS); /* an older generation */
}

/* Any living environment, seldom `self`: a neighbour to share with. */
static uint64_t some_neighbour(const struct env *self)
{
    for (uint32_t tries = 0; tries < 20; tries++) {
        const struct env *env = &envs[1 + steps_dice(10)];
        if (env->name.n && (env != self || !steps_dice(10)))
            return env->name.n;
    }
    return some_env(self);
}

/* A grant that `self` gave or received, as `list` says; sometimes anything. */
static uint64_t some_grant(const struct env *self, uint32_t list)
{
    uint32_t slot = self->grants[list].first;

    for (uint32_t i = steps_dice(4); i && slot && grants[slot].link[list].next; i--)
        slot = grants[slot].link[list].next;
    if (!slot || !steps_dice(12))
        slot = steps_dice(MOCK_GRANTS + 1);
    return slot < MOCK_GRANTS ? grants[slot].name.n - (!steps_dice(20) << EXO_GRANT_SLOT_BITS)
                              : slot;
}

static uint64_t some_index(void)
{
    static const uint16_t odd[] = {2, 255, 256, 511, 512, 600};

    return steps_dice(8) ? steps_dice(2) : odd[steps_dice(6)];
}

static bool may_call(const struct env *self, const struct gate *gate)
{
    bool may = false;

    for (uint32_t i = 0; i < EXO_GATE_HOLDERS; i++)
        may |= gate->owner && gate->holder[i].n == self->name.n;
    return may;
}

/* A gate of `self`'s, or one that it may call through; sometimes anything. */
static uint64_t some_gate(const struct env *self, bool to_call)
{
    for (uint32_t tries = 0; tries < 30; tries++) {
        const struct gate *gate = &gates[1 + steps_dice(10)];
        if (to_call ? may_call(self, gate) : gate->owner == self - envs)
            return gate->name.n;
    }
    return steps_dice(3) ? gates[1 + steps_dice(10)].name.n - (steps_dice(4) ? 0 : EXO_GATE_SLOTS)
                         : steps_dice(2 * EXO_GATES);
}

static uint32_t some_queue(const struct env *self)
{
    uint32_t start = steps_dice(4);

    for (uint32_t i = 0; i < 4 && steps_dice(8); i++)
        if (&envs[queues[(start + i) % 4].owner] == self)
            return (start + i) % 4;
    return start;
}

/*
 * A filter of one of few kinds, so that many overlap and some do not, in a frame of the caller's.
 * place[0], place[1]: where. Now and then it is not canonical.
 */
static void filter_for(const struct env *self, uint64_t place[2])
{
    struct exo_filter f = mock_mac(2ull << 40 | steps_dice(5));

    place[0] = some_frame(self, steps_dice(8) ? EXO_DATA : steps_dice(2) ? EXO_CONTROL : EXO_RING);
    place[1] = steps_dice(20) ? 8 * steps_dice(400) : steps_dice(EXO_PAGE_SIZE);
    if (steps_dice(3)) {
        f.mask.family = 0xff;
        f.value.family = steps_dice(2) ? 4 : 6;
        f.mask.local[0] = (uint8_t)(0xff00 >> steps_dice(9));
        f.value.local[0] = (uint8_t)steps_dice(256) & f.mask.local[0];
    }
    if (f.mask.family && steps_dice(2)) {
        f.mask.protocol = 0xff;
        f.value.protocol = steps_dice(2) ? EXO_PROTOCOL_TCP : EXO_PROTOCOL_UDP;
        f.mask.local_port = (uint16_t)(0xffff0000 >> steps_dice(17));
        f.value.local_port = (uint16_t)steps_dice(0x10000) & f.mask.local_port;
        f.mask.ports = f.value.ports = f.mask.local_port != 0;
    }
    if (!steps_dice(10))
        ((uint8_t *)&f)[steps_dice(sizeof(f))] ^= (uint8_t)(1 << steps_dice(8));
    if (place[0] < MOCK_FRAMES && frames[place[0]].owner && &envs[frames[place[0]].owner] == self &&
        frames[place[0]].type == EXO_DATA && place[1] + sizeof(f) <= EXO_PAGE_SIZE)
        memcpy((char *)machine_frame((frame_t){(uint32_t)place[0]}) + place[1], &f, sizeof(f));
}

static void arguments_for(struct env *self, uint32_t number, uint64_t a[6]);

/* Operations, each with a chance, in a frame of the caller's. */
static void batch_for(struct env *self, uint64_t a[6])
{
    static const uint8_t common[] = {EXO_CALL_PAGE_ALLOC, EXO_CALL_PAGE_FREE, EXO_CALL_PT_MAP,
                                     EXO_CALL_PT_UNMAP, EXO_CALL_SLICE_SET};
    a[0] = some_frame(self, steps_dice(8) ? EXO_DATA : steps_dice(2) ? EXO_CONTROL : EXO_RING);
    a[2] = steps_dice(12) ? 1 + steps_dice(5) : steps_dice(70);
    a[1] = steps_dice(12) ? 8 * steps_dice(100) : steps_dice(EXO_PAGE_SIZE + 9);
    if (a[0] >= MOCK_FRAMES || !frames[a[0]].owner || &envs[frames[a[0]].owner] != self ||
        (frames[a[0]].type != EXO_DATA && frames[a[0]].type != EXO_CONTROL) ||
        a[1] + a[2] * sizeof(struct exo_operation) > EXO_PAGE_SIZE)
        return;
    struct exo_operation operations[EXO_PAGE_SIZE / sizeof(struct exo_operation)];
    for (uint32_t i = 0; i < a[2]; i++) {
        struct exo_operation operation = {0};
        uint64_t arguments[6];
        operation.call =
            steps_dice(3) ? common[steps_dice(sizeof(common))] : steps_dice(EXO_CALLS + 1);
        /* These two write into memory of the caller, of which this may be a part. */
        if (operation.call != EXO_CALL_BATCH && operation.call != EXO_CALL_REVOKE_PREFER)
            arguments_for(self, (uint32_t)operation.call, arguments);
        memcpy(operation.argument, arguments, sizeof(operation.argument));
        operation.result = -1;
        operations[i] = operation;
    }
    /* Only now: what an argument points to may lie in the same frame. */
    memcpy((char *)machine_frame((frame_t){(uint32_t)a[0]}) + a[1], operations,
           a[2] * sizeof(*operations));
}

/* Exactly those before the one that stopped it have results. */
static void check_batch(const uint64_t a[6], int64_t result)
{
    const struct exo_operation *operation =
        (const void *)((char *)machine_frame((frame_t){(uint32_t)a[0]}) + a[1]);
    uint32_t end = result < 0 ? EXO_BATCH_INDEX(result) : (uint32_t)result;

    if (end > a[2] || (result >= 0 && end != a[2]) || (result < 0 && end == a[2]))
        steps.failed = "a batch stopped where it has no operation";
    for (uint32_t i = 0; i < a[2] && !steps.failed; i++) {
        struct exo_operation copy;
        memcpy(&copy, operation + i, sizeof(copy));
        if ((copy.result >= 0) != (i < end))
            steps.failed = "a batch has results that it cannot have";
    }
    steps.operations += end;
}

/* Arguments that have a chance. */
static void arguments_for(struct env *self, uint32_t number, uint64_t a[6])
{
    uint32_t level = EXO_PML4 + steps_dice(4);

    for (uint32_t i = 0; i < 6; i++)
        a[i] = steps_dice(4);
    switch (number) {
    case EXO_CALL_PAGE_ALLOC:
        a[0] = some_env(self);
        a[1] = steps_dice(3) ? EXO_FRAME_ANY : steps_dice(MOCK_FRAMES + 1);
        a[2] = steps_dice(10) ? EXO_PML4 + steps_dice(7) : steps_dice(12);
        break;
    case EXO_CALL_PAGE_FREE:
        a[0] = some_frame(self, steps_dice(6) ? EXO_PML4 + steps_dice(7) : EXO_BLOCK);
        break;
    case EXO_CALL_BLOCK_ALLOC:
        a[0] = some_env(self);
        a[1] = steps_dice(3) ? EXO_FRAME_ANY : MOCK_BLOCK * steps_dice(17) + !steps_dice(8);
        break;
    case EXO_CALL_PAGE_GIVE:
        a[0] = some_frame(self, EXO_DATA);
        a[1] = some_env(self);
        break;
    case EXO_CALL_PT_MAP:
        a[0] = some_frame(self, level);
        a[1] = some_index();
        a[2] = some_frame(self, level == EXO_PT ? EXO_PML4 + steps_dice(7) : level + 1);
        if (level == EXO_PT && !steps_dice(12))
            a[2] = MOCK_FACTS;
        if (level == EXO_PD && !steps_dice(3)) {
            a[2] = some_frame(self, EXO_BLOCK);
            a[3] = steps_dice(5);
        }
        a[3] = level == EXO_PT || !steps_dice(10) ? steps_dice(5) : 0;
        break;
    case EXO_CALL_PT_UNMAP:
    case EXO_CALL_PT_READ:
        a[0] = some_frame(self, level);
        a[1] = some_index();
        break;
    case EXO_CALL_PT_PROTECT:
        a[0] = some_frame(self, steps_dice(4) ? EXO_PT : EXO_PD);
        a[1] = some_index();
        break;
    case EXO_CALL_ENV_CREATE:
        a[0] = steps_dice(30);
        a[1] = steps_dice(4);
        for (uint32_t i = 2; i < 6; i++)
            a[i] = steps_dice(2 + 2 * (i > 2));
        break;
    case EXO_CALL_ENV_SET:
        a[0] = some_env(self);
        a[1] = steps_dice(EXO_ENV_SET_VCPU + 2);
        if (a[1] == EXO_ENV_SET_ALLOW) {
            filter_for(self, &a[2]);
            break;
        }
        a[2] = a[1] == EXO_ENV_SET_ROOT      ? some_frame(self, EXO_PML4)
               : a[1] == EXO_ENV_SET_CONTROL ? some_frame(self, EXO_CONTROL)
               : a[1] == EXO_ENV_SET_NAME    ? 'a' + steps_dice(26)
               : a[1] == EXO_ENV_SET_FLOOR   ? steps_dice(12)
               : a[1] == EXO_ENV_SET_RIGHTS  ? steps_dice(3)
               : a[1] == EXO_ENV_SET_VCPU    ? steps_dice(processor_count + 1)
               : a[1] == EXO_ENV_ADD_QUOTA   ? steps_dice(EXO_RESOURCES + 1)
                                             : 2ull << 40 | steps_dice(5);
        a[3] = steps_dice(10) ? 0 : 9;
        break;
    case EXO_CALL_ENV_RUN:
        a[0] = some_env(self);
        a[1] = steps_dice(10) ? 0x400000 : 1ull << 47;
        break;
    case EXO_CALL_ENV_KILL:
        a[0] = some_env(self);
        if (a[0] == EXO_ENV_SELF && (!self->parent.n || steps_dice(20)))
            a[0] = 77;
        break;
    case EXO_CALL_ENV_RECLAIM:
        a[0] = some_env(self);
        break;
    case EXO_CALL_SLICE_SET:
        a[0] = steps_dice(MOCK_SLICES + 1);
        a[1] = some_env(self);
        break;
    case EXO_CALL_WAIT:
    case EXO_CALL_TIMER:
        a[0] = steps_dice(8) || !self->parent.n ? mock_now + steps_dice(5000000) : steps_dice(2);
        break;
    case EXO_CALL_QUEUE_BIND:
        a[0] = !steps_dice(10);
        for (uint32_t i = 1; i < 5; i++)
            a[i] = some_frame(self, EXO_RING);
        break;
    case EXO_CALL_QUEUE_BUFFER:
        a[1] = steps_dice(3);
        a[2] = some_frame(self, EXO_DATA);
        break;
    case EXO_CALL_FILTER_ADD:
        a[0] = some_queue(self);
        filter_for(self, &a[1]);
        break;
    case EXO_CALL_FILTER_DEL:
        a[0] = steps_dice(filters_touched + 2);
        if (!steps_dice(4) && queues[some_queue(self)].filters.first)
            a[0] = queues[some_queue(self)].filters.first;
        break;
    case EXO_CALL_CONSOLE_WRITE:
        a[0] = some_frame(self, EXO_DATA);
        a[1] = steps_dice(EXO_PAGE_SIZE + 9);
        a[2] = steps_dice(8);
        break;
    case EXO_CALL_INFO:
        a[0] = steps_dice(8);
        a[1] = steps_dice(3)   ? some_frame(self, EXO_DATA)
               : steps_dice(2) ? some_env(self)
                               : some_grant(self, steps_dice(2));
        a[2] = steps_dice(2) ? steps_dice(18) : EXO_ENV_USED + steps_dice(24);
        break;
    case EXO_CALL_NOTIFY_ALLOW:
        a[0] = some_env(self);
        a[1] = steps_dice(8) ? steps_dice(4) != 0 : steps_dice(4);
        break;
    case EXO_CALL_NOTIFY:
        a[0] = some_env(self);
        for (uint32_t i = 1; i < MOCK_ENVS && steps_dice(8); i++)
            for (uint32_t j = 0; j < EXO_NOTIFIERS && envs[i].name.n; j++)
                if (envs[i].notifiers[j].n == self->name.n)
                    a[0] = envs[i].name.n;
        a[1] = steps_dice(20) ? 1ull << steps_dice(64) : 0;
        break;
    case EXO_CALL_PAGE_GRANT:
        a[0] = some_frame(self, EXO_DATA);
        a[1] = some_neighbour(self);
        a[2] = steps_dice(5);
        break;
    case EXO_CALL_PAGE_UNGRANT:
        a[0] = some_grant(self, steps_dice(3) ? GRANT_GIVEN : GRANT_RECEIVED);
        break;
    case EXO_CALL_GRANT_MAP:
        a[0] = some_grant(self, GRANT_RECEIVED);
        a[1] = some_frame(self, steps_dice(12) ? EXO_PT : EXO_PD);
        a[2] = some_index();
        a[3] = steps_dice(3) ? 0 : steps_dice(5);
        break;
    case EXO_CALL_GATE_DELETE:
    case EXO_CALL_GATE_GRANT:
        a[0] = some_gate(self, false);
        a[1] = some_env(self);
        a[2] = steps_dice(8) ? steps_dice(4) != 0 : steps_dice(4);
        break;
    case EXO_CALL_GATE_REPLY:
        a[5] = steps_dice(2) ? mock_now + steps_dice(5000000) : 0;
        break;
    case EXO_CALL_GATE_CALL:
        a[0] = some_gate(self, true);
        break;
    case EXO_CALL_BATCH:
        batch_for(self, a);
        break;
    case EXO_CALL_CHANNEL_WRITE:
        a[0] = steps_dice(18);
        break;
    case EXO_CALL_REVOKE_PREFER:
    case EXO_CALL_REVOKE_START:
    case EXO_CALL_REVOKE_TAKE:
        steps_revoke_arguments(self, number, a);
        break;
    default:
        break;
    }
    if (!steps_dice(200))
        a[steps_dice(6)] |= 1ull << (32 + steps_dice(32));
}

/* A program scribbles over memory that it may write: DATA, rings, its control page. */
static void scribble(const struct env *self)
{
    const struct env *app = self->acts_as ? &envs[self->acts_as] : self;
    uint64_t n = some_frame(app, steps_dice(4) ? EXO_DATA : EXO_RING);

    if (n < MOCK_FRAMES && frames[n].owner && &envs[frames[n].owner] == app &&
        (frames[n].type == EXO_DATA || frames[n].type == EXO_RING)) {
        uint32_t *words = machine_frame((frame_t){(uint32_t)n});
        words[steps_dice(3) ? steps_dice(40) : steps_dice(1024)] =
            steps_dice(3) ? steps_dice(600) | (steps_dice(8) ? 0 : EXO_DESC_MORE << 16)
                          : steps_dice(1u << 31);
    }
    struct exo_control *control = mock_control(self);
    bool first = !app->parent.n; /* lives longer, so that trees grow */
    control->disabled = !first && steps_dice(2);
    control->upcall_entry = first || steps_dice(300) ? 0x401000 : 1ull << 63;
    control->upcall_stack = first || steps_dice(300) ? 0x501000 : 0;
    control->wants_end = steps_dice(2);
    control->watch = steps_dice(2);
    control->wants_cpus = steps_dice(2);
    control->call_deadline =
        steps_dice(3) ? mock_now + steps_dice(20000000) : !first && steps_dice(2);
}

/* Somebody lets somebody call it. */
static void build_gate(void)
{
    struct env *owner = &envs[1 + steps_dice(10)];
    const struct env *holder = &envs[1 + steps_dice(10)];

    if (owner->state != EXO_ENV_LIVE || holder->state == EXO_ENV_FREE)
        return;
    int64_t gate = CALL(owner, GATE_CREATE, steps_dice(4));
    if (gate > 0)
        CALL(owner, GATE_GRANT, (uint64_t)gate, holder->name.n, 1);
}

/* What single random calls would seldom find together: a living child, a bound queue, a gate. */
static void build(struct env *self)
{
    for (uint32_t i = steps_dice(6); i; i--)
        build_gate();
    if (!steps_dice(4)) {
        steps_revoke_build(self);
        return;
    }
    if (!steps_dice(4)) {
        if (mock_vcpu(self, steps_dice(processor_count)))
            steps.vcpus++;
        return;
    }
    if (steps_dice(2)) {
        struct env *child =
            mock_child_with(self, 6 + steps_dice(24), steps_dice(2), steps_dice(2), steps_dice(4));
        if (!child)
            return;
        for (uint32_t i = steps_dice(8); i; i--)
            CALL(self, SLICE_SET, steps_dice(MOCK_SLICES), child->name.n);
        return;
    }
    mock_queue(self, 2ull << 40 | steps_dice(5));
}

/* A packet comes from the wire, for one of the MACs in use or for all; mostly IPv4 of some kind. */
static void receive(void)
{
    uint8_t packet[EXO_PACKET_MAX + 20] = {
        2, 0, 0, 0, 0, (uint8_t)steps_dice(5), [12] = 8, [14] = 0x45, [16] = 5, [23] = 6};
    uint64_t before = 0;

    packet[23] = steps_dice(2) ? EXO_PROTOCOL_TCP : EXO_PROTOCOL_UDP;
    packet[30] = (uint8_t)steps_dice(256);
    packet[36] = (uint8_t)steps_dice(256);
    if (!steps_dice(8))
        packet[12 + steps_dice(30)] ^= (uint8_t)(1 << steps_dice(8));
    if (!steps_dice(4))
        memset(packet, 0xff, 6);
    for (uint32_t i = 0; i < MOCK_QUEUES; i++)
        before += queues[i].stats.rx_packets;
    packet_received(nics[0], packet, steps_dice(sizeof(packet)));
    nics[0]->offloads = steps_dice(4) ? EXO_OFFLOAD_CHECKSUM | EXO_OFFLOAD_SEGMENT4 : 0;
    steps.packets++;
    for (uint32_t i = 0; i < MOCK_QUEUES; i++)
        steps.delivered += queues[i].stats.rx_packets;
    steps.delivered -= before;
}

static bool may_send(const struct env *env, const struct exo_tuple *tuple)
{
    for (uint32_t i = 0; i < env->allowances; i++)
        if (tuple_matches(tuple, &env->allow[i]))
            return true;
    return false;
}

/* What the device was given lies in frames of the sender's, and bears a source that it may use. */
void steps_check_sent(void)
{
    for (uint32_t i = 0; i < mock_sent_count; i++) {
        const struct mock_packet *p = &mock_sent[i];
        const struct queue *q = &queues[p->cookie >> 16];
        if (p->whole > (p->flags & EXO_DESC_SEGMENT ? EXO_PACKET_LONG : EXO_PACKET_MAX) ||
            p->header_length < EXO_PACKET_MIN)
            steps.failed = "a packet of impossible length was sent";
        for (uint32_t j = 0; j < p->count; j++) {
            const struct piece *piece = &p->piece[j];
            uint64_t n = piece->address >> EXO_PAGE_SHIFT;
            if (n >= MOCK_FRAMES || frames[n].owner != q->owner || !piece->length ||
                (piece->address + piece->length - 1) >> EXO_PAGE_SHIFT != n)
                steps.failed = "the device was given memory that is not the sender's";
            if (piece->cookie >> 16 != p->cookie >> 16 ||
                !set_has(&q->flight, piece->cookie & 0xffff))
                steps.failed = "the device was given a buffer that is not with it";
        }
        struct exo_tuple tuple;
        tuple_read(&tuple, p->header, p->header_length);
        tuple_turn(&tuple, mac_at(p->header + 6));
        if (envs[q->owner].state == EXO_ENV_LIVE && !may_send(&envs[q->owner], &tuple))
            steps.failed = "a packet with a foreign source was sent";
    }
}

static void check_zero(uint32_t n)
{
    static const uint8_t zero[EXO_PAGE_SIZE];
    size_t length = frames[n].type == EXO_PML4 ? EXO_PAGE_SIZE / 2 : EXO_PAGE_SIZE;

    if (memcmp(machine_frame((frame_t){n}), zero, length))
        steps.failed = "a frame was not zero when it was given out";
}

static void step_call(bool full)
{
    static const uint8_t often[] = {EXO_CALL_PAGE_ALLOC, EXO_CALL_PT_MAP,    EXO_CALL_PT_UNMAP,
                                    EXO_CALL_ENV_SET,    EXO_CALL_ENV_RUN,   EXO_CALL_ENV_RECLAIM,
                                    EXO_CALL_PAGE_FREE,  EXO_CALL_SLICE_SET, EXO_CALL_PAGE_GRANT,
                                    EXO_CALL_GRANT_MAP};
    struct env *self = current;
    uint32_t number = steps_dice(2) ? often[steps_dice(sizeof(often))] : steps_dice(EXO_CALLS + 1);
    if (number == EXO_CALL_ENV_KILL && steps_dice(4))
        number = EXO_CALL_PT_MAP;
    if (!steps_dice(self->gate.serves ? 4 : 10))
        number = self->gate.serves ? EXO_CALL_GATE_REPLY : EXO_CALL_GATE_CALL;
    uint64_t a[6];

    if (!call_is_own(number))
        self = env_application(self);
    arguments_for(self, number, a);
    mock_snapshot(full);
    int64_t result = call_dispatch(self, number, a);
    self->calls++;
    if (number < EXO_CALLS)
        (result < 0 ? steps.refused : steps.done)[number]++;
    if (result < 0) {
        self->calls--;
        if (result >= EXO_BATCH_STOPPED(0, 255) && !mock_unchanged(full))
            steps.failed = "a refused call changed something";
        self->calls++;
    }
    if (number == EXO_CALL_BATCH && (result >= 0 || result < -255))
        check_batch(a, result);
    if (number == EXO_CALL_NOTIFY && result >= 0) {
        const struct env *env = env_find(self, (env_t){(uint32_t)a[0]});
        if ((mock_control(env)->notified & a[1]) != a[1] || !(env->pending & EXO_UP_NOTIFY))
            steps.failed = "a notification was lost";
    }
    if (number == EXO_CALL_REVOKE_TAKE)
        steps_revoke_check(self, a, result);
    if (number == EXO_CALL_PAGE_ALLOC && result >= 0)
        check_zero((uint32_t)result);
    for (uint32_t i = 0; number == EXO_CALL_BLOCK_ALLOC && result > 0 && i < MOCK_BLOCK; i++)
        check_zero((uint32_t)result + i);
}

/* A call number outside the table: an error without effect, or a reason that keeps each register. */
static void step_foreign(bool full)
{
    struct env *self = current;
    struct exo_control *control = mock_control(self);
    bool off = control->disabled;

    steps.foreign++;
    self->context.rax = EXO_CALLS + ((uint64_t)steps_dice(3) << steps_dice(60));
    struct exo_context before = self->context;
    uint32_t pending = self->pending;
    mock_snapshot(full);
    cpu_call(current);
    if (off ? self->context.rax != (uint64_t)-EXO_E_CALL || self->pending != pending
            : self->pending != (pending | EXO_UP_FOREIGN) || control->pending != self->pending)
        steps.failed = "a foreign call was neither refused nor delivered";
    if (off)
        self->context.rax = before.rax;
    if (memcmp(&self->context, &before, sizeof(before)))
        steps.failed = "a foreign call changed a register";
    self->calls--;
    if (off && !mock_unchanged(full))
        steps.failed = "a refused foreign call changed something";
    self->calls++;
}

/* Calls and answers of which the core hears later, or never. True: there was one. */
static bool step_short(void)
{
    struct processor *p = &processors[mock_cpu];
    uint64_t a[6] = {steps_dice(9), 1, 2, 3, 4, 5};
    bool done = false;

    if (p->unbooked && steps_dice(3)) {
        if (steps_dice(4))
            a[5] = p->unbooked->deadline;
        done = mock_short_reply(a);
        steps.short_replies += done;
    } else if (!p->unbooked && current && (current->gate.way.callee || !steps_dice(8)) &&
               steps_dice(3)) {
        a[0] = steps_dice(8) ? current->gate.way.gate : steps_dice(2 * EXO_GATES);
        done = mock_short_call(a);
        steps.short_calls += done;
    } else if (!p->unbooked && current && !steps_dice(3)) {
        bool wait = steps_dice(2);
        a[0] = 0;
        for (uint32_t i = 0; !done && i < MOCK_ENVS; i++) {
            a[wait] = i ? envs[steps_dice(MOCK_ENVS)].name.n : steps_dice(1 << 20);
            done = mock_short_hand(wait ? EXO_CALL_WAIT : EXO_CALL_YIELD, a);
        }
        steps.short_hands += done;
        steps.short_sleeps += done && wait;
    }
    if (!done && calls_unbooked)
        calls_book();
    mock_now += done ? steps_dice(2000) : 0;
    return done;
}

/* What the kernel decides after a step, on CPU mock_cpu. */
static void decide(void)
{
    uint64_t disabled[MOCK_ENVS] = {0}, count[MOCK_ENVS] = {0};

    for (uint32_t i = 1; i < MOCK_ENVS; i++)
        if (envs[i].state == EXO_ENV_LIVE) {
            disabled[i] = mock_control(&envs[i])->disabled;
            count[i] = envs[i].upcalls;
        }
    struct env *env = mock_next();
    if (env && env->upcalls != count[env - envs]) {
        steps.upcalls++;
        if (disabled[env - envs] || env->upcalls != count[env - envs] + 1)
            steps.failed = "an upcall was nested";
    }
    if (env && env->state != EXO_ENV_LIVE)
        steps.failed = "somebody runs who does not live";
    const char *wrong = inv_cpu_waiting(&processors[mock_cpu], mock_alarm);
    if (wrong)
        steps.failed = wrong;
}

/* Other CPUs get their messages and alarms, soon or a little later. */
static void others_decide(void)
{
    uint32_t self = mock_cpu;

    for (mock_cpu = 0; mock_cpu < mock_cpus; mock_cpu++) {
        bool due = mock_alarm <= mock_now || processors_stirred >> mock_cpu & 1;
        if (mock_cpu != self && due && steps_dice(2))
            decide();
    }
    mock_cpu = self;
}

/* If all CPUs idle, time goes on to the first alarm. */
static void idle_until_alarm(void)
{
    uint64_t first = UINT64_MAX;

    for (uint32_t i = 0; i < mock_cpus; i++) {
        if (on_cpu(i) || processors_stirred >> i & 1)
            return;
        if (mock_alarms[i] < first)
            first = mock_alarms[i];
    }
    if (first != UINT64_MAX && first > mock_now)
        mock_now = first;
}

void steps_one(bool full)
{
    mock_cpu = mock_cpus > 1 ? steps_dice(mock_cpus) : 0;
    if (step_short())
        return;
    if (current && current->state != EXO_ENV_LIVE)
        decide(); /* another CPU ended it: it does nothing any more */
    if (current && steps_dice(20)) {
        for (uint32_t i = 0; i < 3; i++)
            mock_touch((uint64_t)steps_dice(2) << 39 | (uint64_t)steps_dice(2) << 30 |
                       steps_dice(2) << 21 | steps_dice(2) << 12);
        scribble(current);
        if (!steps_dice(300)) {
            steps.faults++;
            cpu_fault(current, 14, 0, 0x1234);
        } else if (!steps_dice(60)) {
            build(env_application(current));
        } else if (!steps_dice(40)) {
            step_foreign(full);
        } else {
            step_call(full);
        }
    } else if (!steps_dice(4)) {
        mock_left_count = 0;
        mock_arrived_count = steps_dice(MOCK_ARRIVED);
        channel_arrived();
    } else if (steps_dice(2)) {
        nics[0]->poll(nics[0]);
    } else {
        groups[0].steps = steps_dice(GROUP_STEPS + 1);
        receive();
    }
    if (!steps_dice(30))
        receive();
    if (nics[0]->carrying && !steps_dice(3))
        nic_carry(nics[0]);
    steps_check_sent();
    mock_now += steps_dice(4) ? steps_dice(2000) : steps_dice(3000000);
    idle_until_alarm();
    decide();
    others_decide();
    if (!mock_tlb_clean())
        steps.failed = "the TLB has a translation that the tables have not";
    if (!mock_dma_clean())
        steps.failed = "a device reaches what is no buffer of its queues";
}

bool steps_anybody_runs(void)
{
    for (uint32_t i = 0; i < mock_cpus; i++)
        if (on_cpu(i) || processors_stirred >> i & 1 || mock_alarms[i] != UINT64_MAX)
            return true;
    return false;
}
