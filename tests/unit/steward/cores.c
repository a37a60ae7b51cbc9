/* SPDX-License-Identifier: MIT */
/* cores.c - how many CPUs the steward's policy `cores` gives to whom, as load comes and goes. */
#include "cores.h"

#include "../tap.h"

#define PATIENCE 100u

static void test_load(void)
{
    struct cores c = {.cpus = 3};

    tap_ok(cores_decide(&c, 0, 1000, PATIENCE) == 0 && c.critical == 0,
           "nobody wants one: all are the batch's");
    tap_ok(cores_decide(&c, 2, 2000, PATIENCE) == 0 && c.critical == 2,
           "two want one: they have two at once");
    tap_ok(cores_decide(&c, 7, 2001, PATIENCE) == 0 && c.critical == 3,
           "more want one than there are: they have all");
    tap_ok(cores_decide(&c, 1, 3000, PATIENCE) == 3100 && c.critical == 3,
           "one is enough: the others stay with them for a while");
    tap_ok(cores_decide(&c, 2, 3050, PATIENCE) == 3100 && c.critical == 3, "and for no longer");
    tap_ok(cores_decide(&c, 1, 3100, PATIENCE) == 0 && c.critical == 1, "then they go back");
    tap_ok(cores_decide(&c, 0, 4000, PATIENCE) == 4100 &&
               cores_decide(&c, 1, 4099, PATIENCE) == 0 &&
               cores_decide(&c, 0, 4100, PATIENCE) == 4200 && c.critical == 1,
           "who wants it again meanwhile has lost nothing");
}

/* K1 and K2, whatever comes. */
static void test_random(void)
{
    struct cores c = {.cpus = 4};
    uint64_t now = 1, idle = 0; /* since when they had more than they wanted */
    bool prompt = true, patient = true;

    for (uint32_t i = 0; i < 200000; i++) {
        uint32_t wanting = tap_random() % 7, before = c.critical;
        now += tap_random() % 60;
        uint64_t again = cores_decide(&c, wanting, now, PATIENCE);
        prompt &= c.critical >= (wanting < c.cpus ? wanting : c.cpus) && c.critical <= c.cpus;
        if (wanting >= before) {
            idle = 0;
            continue;
        }
        idle = idle ? idle : now;
        patient &= (c.critical < before) == (now - idle >= PATIENCE);
        patient &= c.critical < before || again == idle + PATIENCE;
        if (c.critical < before)
            idle = 0;
    }
    tap_ok(prompt, "they never wait for a CPU that the batch has");
    tap_ok(patient,
           "what they do not use goes back when it was not used for so long, and then only");
}

int main(void)
{
    test_load();
    test_random();
    return tap_done();
}
