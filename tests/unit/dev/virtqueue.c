/* SPDX-License-Identifier: MIT */
/*
 * virtqueue.c - who tells whom, with a device written from the standard (OASIS virtio 1.2, 2.7).
 *
 * Each fence of virtqueue.c calls planted(), where the device may act: what was stored before the
 * fence it sees, what is loaded behind it comes after what it did. A fence that is missing, or on the
 * wrong side, loses what the device does there.
 */
#include <string.h>

#include "../tap.h"
#include "virtqueue.h"

enum { NOTHING = 0xffff, NUMBER = 5 };

static struct virtq_desc desc[VIRTQUEUE_SIZE];
static struct virtq_avail avail;
static struct virtq_used used;
static volatile uint16_t doorbell;
static struct virtqueue q;

/* --- the device ------------------------------------------------------------------------------- */

static struct {
    bool event_index, asleep;
    uint16_t seen, done; /* of avail, and what it wrote to used */
    uint32_t interrupts;
    void (*plant)(void);
} device;

/* 2.7.7.2 and 2.7.10.2, told from old to new indices, one after the other. */
static bool passes(uint16_t event, uint16_t from, uint16_t to)
{
    for (; from != to; from++)
        if (from == event)
            return true;
    return false;
}

static void device_use(uint32_t count)
{
    uint16_t from = device.done;

    for (uint32_t i = 0; i < count; i++) {
        used.ring[device.done % VIRTQUEUE_SIZE].id =
            avail.ring[device.done % VIRTQUEUE_SIZE]; /* in order */
        used.ring[device.done % VIRTQUEUE_SIZE].length = device.done;
        device.done++;
    }
    used.index = device.done;
    device.interrupts +=
        device.event_index ? passes(avail.used_event, from, device.done) : !(avail.flags & 1);
}

/* It has seen what is there, wants to hear of more, and looks again. */
static void device_sleep(void)
{
    device.seen = avail.index;
    used.avail_event = device.seen;
    used.flags = 0;
    device.asleep = true;
}

static void device_wake(void)
{
    device.seen = avail.index;
    device.asleep = false;
    used.flags = 1;
}

/* The device's look between its wish and its sleep. */
static void device_sleep_unless_more(void)
{
    device_sleep();
    if (device.seen != avail.index)
        device_wake();
}

static bool rang(void)
{
    bool was = doorbell == NUMBER;

    doorbell = NOTHING;
    return was;
}

void planted(int order)
{
    void (*plant)(void) = device.plant;

    (void)order;
    device.plant = NULL;
    if (plant)
        plant();
}

static void begin(bool event_index, uint16_t at)
{
    memset(&avail, 0, sizeof(avail));
    memset(&used, 0, sizeof(used));
    avail.index = used.index = used.avail_event = at;
    q = (struct virtqueue){desc, &avail, &used, &doorbell, NUMBER, event_index, true, at, at, at};
    memset(&device, 0, sizeof(device));
    device.event_index = event_index;
    device.seen = device.done = at;
    device_sleep();
    doorbell = NOTHING;
}

/* --- the doorbell ----------------------------------------------------------------------------- */

static const char *kind(void)
{
    return device.event_index ? "with EVENT_IDX" : "by flags";
}

static void test_doorbell(bool event_index, uint16_t at)
{
    begin(event_index, at);
    virtqueue_notify(&q);
    tap_ok(!rang(), "%s, at %u: nothing was put, nobody is told", kind(), at);
    for (uint16_t i = 0; i < 7; i++)
        virtqueue_put(&q, i);
    tap_ok(!rang(), "putting tells nobody");
    virtqueue_notify(&q);
    tap_ok(rang() && avail.index == (uint16_t)(at + 7),
           "a device that sleeps hears of seven at once");
    virtqueue_notify(&q);
    tap_ok(!rang(), "and of none twice");
    used.avail_event = (uint16_t)(at + 6);
    device_wake();
    bool quiet = true;
    for (uint16_t i = 0; i < 200; i++) {
        virtqueue_put(&q, i);
        virtqueue_notify(&q);
        quiet &= !rang();
        if (i % 50 == 49)
            device_wake();
    }
    tap_ok(quiet, "one at work is left alone");
    device_sleep();
    virtqueue_put(&q, 0);
    virtqueue_notify(&q);
    tap_ok(rang(), "and called when it sleeps again");
}

static void sleep_now(void)
{
    device_sleep_unless_more();
}

/* The device falls asleep at the worst moment: between our store and our look. */
static void test_doorbell_race(bool event_index)
{
    begin(event_index, 65535);
    device_wake();
    virtqueue_put(&q, 1);
    device.plant = sleep_now; /* in notify: the entry is published, so the device sees it */
    virtqueue_notify(&q);
    tap_ok(!device.plant && device.seen == avail.index,
           "%s: a device about to sleep sees what was put", kind());
    rang();
    begin(event_index, 65535);
    device_wake();
    device.plant = sleep_now; /* in put: the entry is not published yet */
    virtqueue_put(&q, 1);
    virtqueue_notify(&q);
    tap_ok(!device.plant && device.asleep && rang(), "or hears of it");
}

/* --- interrupts ------------------------------------------------------------------------------- */

static uint32_t take_all(void)
{
    uint32_t id, length, count = 0;

    while (virtqueue_take(&q, &id, &length))
        count++;
    return count;
}

static void put(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        virtqueue_put(&q, (uint16_t)(i % VIRTQUEUE_SIZE));
}

static void test_interrupts(bool event_index, uint16_t at)
{
    uint32_t id, length;

    begin(event_index, at);
    put(20);
    virtqueue_interrupt_off(&q);
    device_use(5);
    tap_ok(!device.interrupts, "%s, at %u: none while they are off", kind(), at);
    tap_ok(!virtqueue_interrupt_after(&q, 1), "what came meanwhile is told by asking");
    tap_ok(virtqueue_take(&q, &id, &length) && id == 0 && length == at, "and can be taken");
    tap_ok(take_all() == 4 && virtqueue_interrupt_after(&q, 1), "until there is nothing more");
    device_use(1);
    tap_ok(device.interrupts == 1, "the next interrupts");
    device_use(3);
    tap_ok(event_index ? device.interrupts == 1 : device.interrupts == 2,
           event_index ? "once, until it is asked again" : "each does");
    take_all();
    device.interrupts = 0;
    tap_ok(virtqueue_interrupt_after(&q, 4), "after four more");
    device_use(3);
    tap_ok(event_index ? !device.interrupts : device.interrupts == 1, "%s",
           event_index ? "not after three" : "a flag cannot count");
    device.interrupts = 0;
    device_use(1);
    tap_ok(device.interrupts == 1, "the fourth interrupts");
}

static void use_one(void)
{
    device_use(1);
}

static void use_four(void)
{
    device_use(4);
}

/* An entry is used just before the wish, or just behind it: it interrupts, or is seen. */
static void test_interrupt_race(bool event_index)
{
    begin(event_index, 65534);
    put(10);
    virtqueue_interrupt_off(&q);
    device.plant = use_one;
    bool none = virtqueue_interrupt_after(&q, 1);
    tap_ok(!device.plant && device.interrupts == 1 && !none,
           "%s: used between wish and look it interrupts, and is seen", kind());
    take_all();
    device.interrupts = 0;
    virtqueue_interrupt_off(&q);
    device_use(1);
    tap_ok(!virtqueue_interrupt_after(&q, 1) && !device.interrupts, "used before it is seen");
    take_all();
    device.plant = use_four;
    none = virtqueue_interrupt_after(&q, 4);
    tap_ok(device.interrupts == 1 && !none, "so are four, if it is four that are waited for");
}

/* Around the clock three times, with both sides doing things at random: neither waits in vain. */
static void test_random(bool event_index)
{
    uint32_t rings = 0, waits_in_vain = 0, missed = 0, taken = 0;
    bool waits = false;

    begin(event_index, 40000);
    for (uint32_t i = 0; i < 600000; i++) {
        uint32_t free = VIRTQUEUE_SIZE - (uint16_t)(q.next_avail - q.last_used);
        uint32_t open = (uint16_t)(device.seen - device.done);
        switch (tap_random() % 5) {
        case 0:
            for (uint32_t n = tap_random() % 9; n && free; n--, free--)
                virtqueue_put(&q, (uint16_t)(tap_random() % VIRTQUEUE_SIZE));
            device.plant = tap_random() % 2 ? sleep_now : NULL;
            virtqueue_notify(&q);
            if (rang()) {
                rings++;
                device_wake();
            }
            waits_in_vain += device.asleep && device.seen != avail.index;
            break;
        case 1:
            device_use(open ? tap_random() % (open + 1) : 0);
            break;
        case 2:
            device_sleep_unless_more();
            break;
        default:
            if (waits && !device.interrupts)
                missed += used.index != q.last_used;
            device.interrupts = 0;
            virtqueue_interrupt_off(&q);
            taken += take_all();
            device.plant = open && tap_random() % 2 ? use_one : NULL;
            waits = virtqueue_interrupt_after(&q, 1);
            break;
        }
    }
    tap_ok(taken > 3 * 65536 && rings > 1000, "%s: %u taken, %u rings", kind(), taken, rings);
    tap_ok(!waits_in_vain, "the device never sleeps with something to do");
    tap_ok(!missed, "nor do we");
}

int main(void)
{
    for (uint32_t kind_of = 0; kind_of < 2; kind_of++) {
        static const uint16_t starts[] = {0, 1000, 32765, 65300, 65530, 65533, 65535};
        for (uint32_t i = 0; i < sizeof(starts) / sizeof(*starts); i++) {
            test_doorbell(kind_of, starts[i]);
            test_interrupts(kind_of, starts[i]);
        }
        test_doorbell_race(kind_of);
        test_interrupt_race(kind_of);
        test_random(kind_of);
    }
    return tap_done();
}
