/* SPDX-License-Identifier: MIT */
/*
 * filters.c - packets of any bytes against filters of any kind.
 *
 * Filters come and go by calls of two environments, one of which may bind only part of a MAC. Each
 * packet's tuple is compared with that of a second parser, written from the RFCs with nothing but
 * "the byte at, if it is there", and the filter that the hash finds with the one that a search through
 * all finds.
 */
#include "target.h"

#include "mock.h"
#include "nic.h"
#include "packet_queue.h"

#include <string.h>

#define STEPS_MAX 200u
#define QUEUES    3u
#define MAC(i)    (2ull << 40 | (i))

static struct input input;
static struct env *owner[QUEUES];
static uint32_t queue[QUEUES];

/* --- a second parser -------------------------------------------------------------------- */

struct plain {
    const uint8_t *bytes;
    uint32_t length;
};

static bool there(const struct plain *p, uint32_t end)
{
    return end <= p->length;
}

static uint64_t number(const struct plain *p, uint32_t at, uint32_t bytes)
{
    uint64_t value = 0;

    for (uint32_t i = 0; i < bytes; i++)
        value = value * 256 + p->bytes[at + i];
    return value;
}

static void plain_ports(const struct plain *p, struct exo_tuple *t, uint32_t at, uint32_t end)
{
    bool protocol = t->protocol == 6 || t->protocol == 17;

    if (!protocol || at + 4 > end || !there(p, at + 4))
        return;
    t->remote_port = (uint16_t)number(p, at, 2);
    t->local_port = (uint16_t)number(p, at + 2, 2);
    t->ports = 1;
}

static struct exo_tuple plain_tuple(const struct plain *p)
{
    struct exo_tuple t = {.mac = number(p, 0, 6), .ethertype = (uint16_t)number(p, 12, 2)};
    uint32_t at = 14;

    if (t.ethertype == 0x8100 || t.ethertype == 0x88a8) {
        t.vlan = 0x1000;
        if (!there(p, 18))
            return t;
        t.vlan = (uint16_t)(0x1000 + number(p, 14, 2) % 4096);
        t.ethertype = (uint16_t)number(p, 16, 2);
        at = 18;
    }
    if (t.ethertype == 0x0806 && there(p, at + 28) && number(p, at, 6) == 0x000108000604) {
        t.family = 4;
        memcpy(t.remote, p->bytes + at + 14, 4);
        memcpy(t.local, p->bytes + at + 24, 4);
    } else if (t.ethertype == 0x0800 && there(p, at + 20) && number(p, at, 1) / 16 == 4) {
        uint32_t header = (uint32_t)number(p, at, 1) % 16 * 4;
        if (header < 20 || !there(p, at + header))
            return t;
        t.family = 4;
        t.protocol = (uint8_t)number(p, at + 9, 1);
        memcpy(t.remote, p->bytes + at + 12, 4);
        memcpy(t.local, p->bytes + at + 16, 4);
        if (number(p, at + 6, 2) % 8192 == 0)
            plain_ports(p, &t, at + header, at + (uint32_t)number(p, at + 2, 2));
    } else if (t.ethertype == 0x86dd && there(p, at + 40) && number(p, at, 1) / 16 == 6) {
        t.family = 6;
        t.protocol = (uint8_t)number(p, at + 6, 1);
        bool claim = t.protocol == 58 && there(p, at + 64) && number(p, at + 40, 1) == 136;
        memcpy(t.remote, p->bytes + at + (claim ? 48 : 8), 16);
        memcpy(t.local, p->bytes + at + 24, 16);
        plain_ports(p, &t, at + 40, at + 40 + (uint32_t)number(p, at + 4, 2));
    }
    return t;
}

/* --- a second search ---------------------------------------------------------------------- */

static bool plain_match(const struct exo_tuple *t, const struct exo_filter *f)
{
    const uint8_t *a = (const void *)t, *b = (const void *)&f->value, *m = (const void *)&f->mask;

    for (size_t i = 0; i < sizeof(*t); i++)
        if ((a[i] & m[i]) != b[i])
            return false;
    return true;
}

static struct queue *plain_find(const struct exo_tuple *t)
{
    struct queue *found = NULL;

    for (uint32_t n = 1; n <= filters_touched; n++)
        if (filters[n].match.mask.mac && plain_match(t, &filters[n].match)) {
            MUST(!found, "two filters match one packet");
            found = &queues[filters[n].queue];
        }
    return found;
}

/* --- steps -------------------------------------------------------------------------------- */

/* A filter: mostly one of few values, or any bytes over them. */
static struct exo_filter some_filter(void)
{
    struct exo_filter f = mock_mac(MAC(take(&input, 1) % 3));
    uint32_t what = take(&input, 1);

    if (what & 1) {
        f.value.family = what & 2 ? 4 : 6;
        f.mask.family = 0xff;
        f.mask.local[0] = (uint8_t)take(&input, 1);
        f.value.local[0] = (uint8_t)take(&input, 1) & f.mask.local[0];
    }
    if (what & 1 && what & 4) {
        f.value.protocol = what & 8 ? 6 : 17;
        f.mask.protocol = 0xff;
        f.mask.local_port = (uint16_t)take(&input, 2);
        f.value.local_port = (uint16_t)take(&input, 2) & f.mask.local_port;
        f.value.ports = f.mask.ports = f.mask.local_port != 0;
    }
    if (what & 16) {
        f.value.ethertype = what & 32 ? 0x0800 : 0x0806;
        f.mask.ethertype = 0xffff;
    }
    for (uint32_t i = what >> 6; i; i--)
        ((uint8_t *)&f)[take_below(&input, sizeof(f))] = (uint8_t)take(&input, 1);
    return f;
}

static void add(uint32_t who)
{
    struct exo_filter f = some_filter();
    bool overlaps = false;

    for (uint32_t n = 1; n <= filters_touched; n++)
        overlaps |= filters[n].match.mask.mac && filter_overlaps(&filters[n].match, &f);
    bool good = filter_canonical(&f, false), allowed = filter_allowed(owner[who], &f);
    int64_t n = mock_filter(owner[who], queue[who], f);
    MUST(n > 0 ? good && allowed && !overlaps : !good || !allowed || overlaps || n == -EXO_E_MEMORY,
         "filter_add gave %lld", (long long)n);
    if (n > 0)
        MUST(plain_find(&f.value) == &queues[queue[who]], "a new filter is not found");
}

/* A packet in exactly its size, so that the sanitizer sees a byte too many. */
static void packet(void)
{
    static const uint16_t types[] = {0x0800, 0x0806, 0x86dd, 0x8100};
    uint32_t length = EXO_PACKET_MIN + take_below(&input, NIC_HEADER - EXO_PACKET_MIN + 1);
    uint8_t *bytes = calloc(1, length);
    uint32_t what = take(&input, 1);

    for (uint32_t i = 0; i < length && input.left; i++)
        bytes[i] = (uint8_t)take(&input, 1);
    bytes[0] = what & 64 ? 0xff : 2;
    memset(bytes + 1, 0, 4);
    bytes[5] = (uint8_t)(what >> 4 & 3);
    if (what & 1) {
        bytes[12] = (uint8_t)(types[what >> 1 & 3] >> 8);
        bytes[13] = (uint8_t)types[what >> 1 & 3];
    }
    struct exo_tuple got, want = plain_tuple(&(struct plain){bytes, length});
    tuple_read(&got, bytes, length);
    MUST(!memcmp(&got, &want, sizeof(got)), "two parsers make two tuples of one packet");
    MUST(filter_find(0, &got) == plain_find(&got), "the hash finds another filter than a search");
    tuple_turn(&got, mac_at(bytes + 6));
    MUST(filter_find(0, &got) == plain_find(&got), "so it does for who sends");
    free(bytes);
}

static void step(void)
{
    uint32_t op = take(&input, 1);

    switch (op % 4) {
    case 0:
        add(op / 4 % QUEUES);
        break;
    case 1:
        CALL(owner[op / 4 % QUEUES], FILTER_DEL, take(&input, 1));
        break;
    default:
        packet();
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    input = (struct input){bytes, size};
    mock_forget_names();
    owner[0] = owner[1] = mock_boot();
    owner[2] = mock_child_with(owner[0], 20, 0, 1, false);
    struct exo_filter allow = mock_mac(MAC(1));
    allow.value.family = 4;
    allow.mask.family = 0xff;
    allow.mask.local[0] = 0x80;
    MUST(!mock_allow(owner[0], owner[2]->name.n, allow), "no allowance");
    CALL(owner[0], ENV_RUN, owner[2]->name.n, 0x400000, 0x500000);
    for (uint32_t i = 0; i < QUEUES; i++) {
        uint64_t ring[EXO_RINGS];
        for (uint32_t j = 0; j < EXO_RINGS; j++)
            ring[j] = (uint64_t)CALL(owner[i], PAGE_ALLOC, EXO_ENV_SELF, EXO_FRAME_ANY, EXO_RING);
        queue[i] = (uint32_t)CALL(owner[i], QUEUE_BIND, 0, ring[0], ring[1], ring[2], ring[3]);
    }
    for (uint32_t i = 0; i < STEPS_MAX && input.left; i++)
        step();
    const char *wrong = inv_all();
    MUST(!wrong, "%s", wrong);
    return 0;
}
