/* SPDX-License-Identifier: MIT */
/*
 * invariants.h - what holds between any two calls, as code. For tests on the host alone.
 *
 * Each function looks at the whole state and returns NULL, or a sentence that says what is wrong.
 */
#ifndef TESTS_INVARIANTS_H
#define TESTS_INVARIANTS_H

#include <stdint.h>

/* Bits of a page table entry that the CPU sets (Intel SDM vol. 3, 4.8). */
#define PTE_ACCESSED 0x020ull
#define PTE_DIRTY    0x040ull

/* A machine has just booted: what its quotas sum up to now, they sum up to for ever. */
void inv_begin(void);

const char *inv_frame_free(void);
const char *inv_frame_lists(void);
const char *inv_frame_pins(void);
const char *inv_table_tree(void);
const char *inv_table_leaves(void);
const char *inv_table_counts(void);
const char *inv_table_kernel_half(void);
const char *inv_env_states(void);
const char *inv_env_quotas(void);
const char *inv_env_tree(void);
const char *inv_notify_names(void);
const char *inv_slice_counts(void);
const char *inv_slice_ready(void);
const char *inv_cpu_expiry(void);
const char *inv_cpu_current(void);
const char *inv_cpu_quiet(void);
const char *inv_cpu_sleeper(void);
const char *inv_env_ready_children(void);
const char *inv_env_vcpus(void);
const char *inv_env_cpus(void);
const char *inv_gate_table(void); /* invariants_gate.c */
const char *inv_gate_calls(void);
const char *inv_gate_depth(void);
const char *inv_gate_time(void);
const char *inv_gate_ways(void);
const char *inv_queue_flights(void);
const char *inv_queue_frames(void);
const char *inv_filter_lists(void);
const char *inv_filter_disjoint(void);
const char *inv_filter_allowed(void);
const char *inv_group_under_way(void);
const char *inv_grant_entries(void);
const char *inv_grant_counts(void);
const char *inv_grant_lists(void);
const char *inv_accounts(void);
const char *inv_block_free(void);
const char *inv_block_parts(void);
const char *inv_revoke_list(void);
const char *inv_revoke_floor(void);

struct processor;

/* After cpu_next gave `alarm` for `p`: it does not idle while somebody could run there, and no time of those
 * whose home it is comes before. */
const char *inv_cpu_waiting(const struct processor *p, uint64_t alarm);

/* All of the above but the last; NULL or the first that fails. */
const char *inv_all(void);

#endif
