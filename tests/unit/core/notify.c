/* SPDX-License-Identifier: MIT */
/* notify.c - bits to another environment: who may, and that none is lost. */
#include "mock.h"

static void test_permission(void)
{
    struct env *init = mock_boot();
    struct env *a = mock_child(init, 5, true), *b = mock_child(init, 5, true);
    struct env *embryo = mock_child(init, 5, false);
    uint64_t name = b->name.n;

    REFUSED(OWNER, CALL(a, NOTIFY, name, 1), "notify who did not allow it");
    REFUSED(OWNER, CALL(init, NOTIFY, name, 1), "a parent notifies its child unasked");
    REFUSED(OWNER, CALL(b, NOTIFY, EXO_ENV_SELF, 1), "notify oneself unasked");
    DONE(CALL(b, NOTIFY, EXO_ENV_SELF, 0), "wake oneself, of nothing");
    REFUSED(ENV, CALL(b, NOTIFY_ALLOW, 0xfffffc02, 1), "allow a stale name");
    REFUSED(RANGE, CALL(b, NOTIFY_ALLOW, a->name.n, 2), "neither allow nor forbid");
    REFUSED(ENV, CALL(a, NOTIFY, 0xfffffc02, 1), "notify a stale name");
    tap_ok(!CALL(b, NOTIFY_ALLOW, a->name.n, 1), "allow");
    REFUSED(OWNER, CALL(init, NOTIFY, name, 1), "what is allowed is allowed to one");
    REFUSED(OWNER, CALL(b, NOTIFY, a->name.n, 1), "and in one direction");
    REFUSED(RANGE, CALL(a, NOTIFY, name, 0), "notify of nothing");
    tap_ok(!CALL(a, NOTIFY, name, 5) && !CALL(a, NOTIFY, name, 1ull << 63) &&
               mock_control(b)->notified == (5 | 1ull << 63) && (b->pending & EXO_UP_NOTIFY) &&
               (mock_control(b)->pending & EXO_UP_NOTIFY),
           "bits collect, and are one reason");
    tap_ok(!CALL(b, NOTIFY_ALLOW, a->name.n, 0), "forbid");
    REFUSED(OWNER, CALL(a, NOTIFY, name, 1), "notify who allows it no more");
    DONE(CALL(b, NOTIFY_ALLOW, init->name.n, 0), "forbid who never was allowed");
    REFUSED(OWNER, CALL(init, NOTIFY, name, 1), "forbidding somebody allowed him");
    CALL(b, NOTIFY_ALLOW, a->name.n, 1);
    CALL(embryo, NOTIFY_ALLOW, a->name.n, 1);
    REFUSED(ENV, CALL(a, NOTIFY, embryo->name.n, 1), "notify an EMBRYO");
    CALL(init, ENV_KILL, name, 0);
    REFUSED(ENV, CALL(a, NOTIFY, name, 1), "notify a ZOMBIE");
    REFUSED(ENV, CALL(a, NOTIFY_ALLOW, name, 1), "allow a ZOMBIE");
    tap_ok(!inv_all(), "permission: the invariants hold (%s)", inv_all() ? inv_all() : "all");
}

/* Whoever gets the slot of another gets none of its rights, and has allowed nobody. */
static void test_slot_again(bool embryo)
{
    struct env *init = mock_boot();
    struct env *a = mock_child(init, 5, !embryo);
    env_t name = a->name;

    CALL(init, NOTIFY_ALLOW, name.n, 1);
    CALL(a, NOTIFY_ALLOW, init->name.n, 1);
    if (!embryo)
        CALL(init, ENV_KILL, name.n, 0);
    tap_ok(mock_reclaim(init, name) > 0 && !inv_all(), "one that may notify is gone (%s)",
           inv_all() ? inv_all() : "all invariants hold");
    struct env *heir = mock_child_in(init, EXO_ENV_SLOT(name.n), 5);
    tap_ok(heir == a && heir->name.n != name.n, "another has its slot");
    REFUSED(OWNER, CALL(heir, NOTIFY, init->name.n, 1), "it notifies by the right of the dead");
    REFUSED(OWNER, CALL(init, NOTIFY, heir->name.n, 1), "what the dead allowed");
}

/* A receiver has so many places: those of the dead are used again, and no permission is pushed out. */
static void test_places(void)
{
    struct env *init = mock_boot(), *a[EXO_NOTIFIERS + 1];

    for (uint32_t i = 0; i <= EXO_NOTIFIERS; i++)
        a[i] = mock_child(init, 5, true);
    for (uint32_t i = 0; i < EXO_NOTIFIERS; i++)
        DONE(CALL(init, NOTIFY_ALLOW, a[i]->name.n, 1), "one more is allowed");
    REFUSED(QUOTA, CALL(init, NOTIFY_ALLOW, a[EXO_NOTIFIERS]->name.n, 1), "too many are allowed");
    DONE(CALL(init, NOTIFY_ALLOW, a[EXO_NOTIFIERS]->name.n, 0), "forbid who was not allowed");
    DONE(CALL(init, NOTIFY_ALLOW, a[3]->name.n, 1), "allow one again");
    env_t dead = a[2]->name;
    CALL(init, ENV_KILL, dead.n, 0);
    REFUSED(QUOTA, CALL(init, NOTIFY_ALLOW, a[EXO_NOTIFIERS]->name.n, 1), "a ZOMBIE has its place");
    mock_reclaim(init, dead);
    DONE(CALL(init, NOTIFY_ALLOW, a[EXO_NOTIFIERS]->name.n, 1), "in the place of the dead");
    for (uint32_t i = 0; i <= EXO_NOTIFIERS; i++)
        if (i != 2)
            DONE(CALL(a[i], NOTIFY, init->name.n, 1), "each that was allowed may");
    DONE(CALL(init, NOTIFY_ALLOW, a[0]->name.n, 0), "forbid one");
    REFUSED(OWNER, CALL(a[0], NOTIFY, init->name.n, 1), "that one no more");
    tap_ok(!inv_all(), "places: the invariants hold (%s)", inv_all() ? inv_all() : "all");
}

/* Every order of a notification and the steps towards sleep: it is seen. */
static void test_no_lost_wakeup(void)
{
    for (uint32_t when = 0; when < 4; when++) {
        struct env *init = mock_boot();
        struct env *a = mock_child(init, 5, true);
        CALL(init, NOTIFY_ALLOW, a->name.n, 1);
        mock_control(init)->disabled = 1;
        init->pending = 0;
        if (when == 0)
            CALL(a, NOTIFY, init->name.n, 8); /* before the last look */
        if (when == 1) {
            mock_next();
            CALL(a, NOTIFY, init->name.n, 8); /* after the look, before the call */
        }
        init->context.rax = EXO_CALL_WAIT;
        init->context.rdi = 0;
        cpu_call(current);
        if (when == 2)
            CALL(a, NOTIFY, init->name.n, 8); /* between the call and the decision */
        mock_next();
        if (when == 3) {
            CALL(a, NOTIFY, init->name.n, 8); /* while it sleeps */
            mock_next();
        }
        tap_ok(current == init && !init->waiting && (init->context.rax & EXO_UP_NOTIFY) &&
                   mock_control(init)->notified == 8,
               "a notification at point %u ends the wait", when);
    }
}

int main(void)
{
    test_permission();
    test_slot_again(false);
    test_slot_again(true);
    test_places();
    test_no_lost_wakeup();
    return tap_done();
}
