/* SPDX-License-Identifier: MIT */
/* test_heap.c - thread_heap.h against a plain search, with keys near the point where they wrap. */
#include "thread_heap.h"

#include "../unit/tap.h"

#define THREADS 200u

static struct thread thread[THREADS];
static uint64_t key[THREADS], came[THREADS], turn;
static bool inside[THREADS];

/* The way to the nearest missing child, counted; 0xffff: the heap is none. */
static unsigned checked(const struct thread *at, const struct thread *up)
{
    if (!at)
        return 0;
    unsigned left = checked(at->next, at), right = checked(at->prev, at);
    bool good = at->up == up && left >= right && left != 0xffff && heap_rank(at) == right + 1;
    good = good && (!at->next || !heap_before(at->next, at)) &&
           (!at->prev || !heap_before(at->prev, at));
    return good ? right + 1 : 0xffff;
}

static unsigned first_by_search(void)
{
    unsigned found = THREADS;

    for (unsigned i = 0; i < THREADS; i++)
        if (inside[i] && (found == THREADS || key_before(key[i], key[found]) ||
                          (key[i] == key[found] && came[i] < came[found])))
            found = i;
    return found;
}

static unsigned named;

static void count_name(const char *line)
{
    named += line[0] == 'x';
}

int main(void)
{
    struct thread_heap heap = {.turn = 0xffff00}; /* it wraps, too */
    bool whole = true, right = true, dumped = true;

    for (unsigned i = 0; i < THREADS; i++)
        thread[i].name[0] = 'x';
    for (unsigned step = 0; step < 60000; step++) {
        unsigned i = tap_random() % THREADS;
        if (!inside[i]) {
            key[i] = UINT64_MAX - 50 + tap_random() % 100;
            came[i] = turn++;
            thread_heap_add(&heap, &thread[i], key[i]);
            inside[i] = true;
        } else if (tap_random() & 1) {
            thread_heap_remove(&heap, &thread[i]);
            inside[i] = false;
        } else {
            unsigned expected = first_by_search();
            struct thread *got = thread_heap_take(&heap);
            right &= got == &thread[expected];
            inside[got - thread] = false;
        }
        if (step % 16 == 0) {
            unsigned count = 0;
            for (unsigned j = 0; j < THREADS; j++)
                count += inside[j];
            named = 0;
            thread_heap_dump(&heap, count_name);
            dumped &= named == count && heap.count == count;
            whole &= checked(heap.root, NULL) != 0xffff;
        }
    }
    tap_ok(whole, "the heap is a leftist heap after each of 60,000 steps");
    tap_ok(right, "what is taken is what a search finds, the oldest among equals");
    tap_ok(dumped, "the dump names each thread once");
    return tap_done();
}
