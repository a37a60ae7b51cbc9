/* SPDX-License-Identifier: MIT */
/* worst.h - what the parts of worst.c have in common. */
#ifndef WORST_H
#define WORST_H

#include <string.h>

#include "libos.h"

#define SELF ((env_t){EXO_ENV_SELF})
#define ANY  ((frame_t){EXO_FRAME_ANY})
#define DEEP 64u /* of each thing, in an environment that is taken back */
#define MAC  0x020000000000ull

/* A page of ours, and its frame. */
extern uint8_t *scratch;
extern frame_t scratch_frame;

/* The fence keeps the stamp where it stands on real machines, too. */
__attribute__((always_inline)) static inline uint64_t ticks(void)
{
    uint32_t low, high;

    __asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (uint64_t)high << 32 | low;
}

/* Measure a call; its value is the call's result. */
#define COST(name, with, call)                                                                     \
    ({                                                                                             \
        uint64_t from_ = ticks();                                                                  \
        int64_t result_ = (call);                                                                  \
        uint64_t spent_ = ticks() - from_;                                                         \
        note(name, with, spent_, result_);                                                         \
        result_;                                                                                   \
    })
#define FRAME(result) ((frame_t){(uint32_t)(result)})

/* What a call took in a case; `result` below 0: it was refused, and nothing was measured. */
void note(const char *call, const char *with, uint64_t spent, int64_t result);

/* Have a reason for an upcall pending, which is withheld: each call's way back is then the longer. */
void withhold(void);

static inline frame_t take(env_t env, uint32_t type)
{
    int64_t frame = exo_page_alloc(env, ANY, type);

    return (frame_t){frame > 0 ? (uint32_t)frame : EXO_FRAME_NONE};
}

/* --- worst_network.c */
#define HEARERS 65u /* queues that hear broadcasts: one more than the kernel serves at a time */
void network_init(void);
bool shares_place(uint64_t mac);
void measure_network(void);
/* A filter for all packets of a MAC, or (port not 0) for those of UDP over IPv4 to one port. `with`
 * NULL: it is not measured. */
int64_t filter_make(queue_t queue, uint64_t mac, uint16_t port, const char *with);

/* --- worst_remote.c */
/* A child with a list of DEEP mapped pages that it can do without. */
env_t remote_make(frame_t *list);

/* What it answers: the call's result, how long it took, when it was called and when it replied; and
 * when we were back. */
enum { REMOTE_RESULT, REMOTE_TICKS, REMOTE_CALLED, REMOTE_REPLIED, REMOTE_BACK };

/* Let it do a call; *words becomes what it answers. */
int64_t remote_call(gate_t gate, struct exo_words *words, uint64_t call, uint64_t a, uint64_t b,
                    uint64_t c, uint64_t d);

#endif
