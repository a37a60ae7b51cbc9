/* SPDX-License-Identifier: MIT */
/*
 * tables.c - the memory of all tables whose size depends on the machine.
 *
 * The frame table alone lies elsewhere: its size is that of the memory (frame_init).
 */
#include "tables.h"

#include "grant.h"
#include "packet_queue.h"
#include "processor.h"
#include "slice.h"

/* Each table begins a cache line of its own. */
static void *place(void *memory, uint64_t *at, uint64_t bytes)
{
    void *table = memory ? (char *)memory + *at : NULL;

    *at += (bytes + 63) & ~63ull;
    return table;
}

uint64_t tables_lay(void *memory, const struct table_counts *counts)
{
    uint64_t at = 0;
    struct env *env_table = place(memory, &at, counts->envs * sizeof(struct env));
    struct processor *processor_table = place(memory, &at, counts->cpus * sizeof(struct processor));
    uint64_t *expiry = place(memory, &at, 2ull * counts->cpus * counts->envs * sizeof(uint64_t));
    struct queue *queue_table = place(memory, &at, counts->queues * sizeof(struct queue));
    struct grant *grant_table = place(memory, &at, counts->grants * sizeof(struct grant));
    uint16_t *owners = place(memory, &at, sizeof(*owners) * counts->cpus * counts->slices);

    if (memory) {
        env_init(env_table, counts->envs);
        cpu_init(processor_table, counts->cpus, expiry);
        queue_init(queue_table, counts->queues);
        grant_init(grant_table, counts->grants);
        slice_init(owners, counts->cpus, counts->slices);
    }
    return at;
}
