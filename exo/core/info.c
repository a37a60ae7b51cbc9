/* SPDX-License-Identifier: MIT */
/*
 * info.c - facts for whoever holds the right to them (exo/abi/info.h).
 */

#include "account.h"
#include "exo_handlers.h"
#include "gate.h"
#include "grant.h"
#include "machine.h"
#include "packet_queue.h"
#include "slice.h"
#include "trace.h"

/* So that what needs no stack is quick: it would share the others' frame. */
#define APART __attribute__((noinline))

/* The caller may ask about `env`. */
static bool may_ask(const struct env *self, const struct env *env)
{
    return env == self || env_descends(env, self);
}

static int64_t info_machine(uint32_t index)
{
    switch (index) {
    case EXO_MACHINE_ABI:
        return EXO_ABI_VERSION;
    case EXO_MACHINE_FRAMES:
        return frame_count;
    case EXO_MACHINE_FREE:
        return frame_free_count;
    case EXO_MACHINE_TSC_HZ:
        return (int64_t)machine_tsc_hz;
    case EXO_MACHINE_BOOT_TSC:
        return (int64_t)machine_boot_tsc;
    case EXO_MACHINE_CPUS:
        return machine_cpus;
    case EXO_MACHINE_NICS:
        return nic_count;
    case EXO_MACHINE_IDLE_TICKS:
        return (int64_t)cpu_idle_ticks();
    case EXO_MACHINE_ENVS:
        return env_count;
    case EXO_MACHINE_QUEUES:
        return queue_count;
    case EXO_MACHINE_SLICES:
        return slice_count;
    case EXO_MACHINE_CPU_SLICES:
        return slice_each;
    case EXO_MACHINE_OWNERS:
        return account_owners.n;
    case EXO_MACHINE_ACCOUNTS:
        return account_frame.n;
    case EXO_MACHINE_TRACES:
        return trace_frame.n;
    default:
        return -EXO_E_RANGE;
    }
}

static int64_t env_mac(const struct env *env)
{
    if (!env->allowances)
        return 0;
    return env->allow[0].mask.mac ? (int64_t)env->allow[0].value.mac : (int64_t)EXO_MAC_ANY;
}

APART static int64_t info_env(struct env *self, env_t name, uint32_t index)
{
    int64_t error;
    const struct env *env = env_family(self, name, &error);

    if (!env)
        return error;
    if (index - EXO_ENV_USED < EXO_RESOURCES)
        return env->used[index - EXO_ENV_USED];
    if (index - EXO_ENV_QUOTA < EXO_RESOURCES)
        return env->quota[index - EXO_ENV_QUOTA];
    switch (index) {
    case EXO_ENV_SELF_NAME:
        return env->name.n;
    case EXO_ENV_STATE:
        return env->state;
    case EXO_ENV_PARENT:
        return env->parent.n;
    case EXO_ENV_ROOT:
        return env->root.n;
    case EXO_ENV_CONTROL:
        return env->control.n;
    case EXO_ENV_SLICES:
        return env->slices;
    case EXO_ENV_SLICES_RUN:
        return (int64_t)env->slices_run;
    case EXO_ENV_TICKS:
        return (int64_t)cpu_ticks(env);
    case EXO_ENV_MAC:
        return env_mac(env);
    case EXO_ENV_END:
        return (int64_t)((uint64_t)env->end << 32 | env->end_status);
    case EXO_ENV_END_RIP:
        return (int64_t)(env->end_rip & INT64_MAX);
    case EXO_ENV_END_ADDRESS:
        return (int64_t)(env->end_address & INT64_MAX);
    case EXO_ENV_UPCALLS:
        return (int64_t)env->upcalls;
    case EXO_ENV_CALLS:
        return (int64_t)env->calls;
    case EXO_ENV_GIVEN:
        return grant_name(env->grants[GRANT_GIVEN].first);
    case EXO_ENV_RECEIVED:
        return grant_name(env->grants[GRANT_RECEIVED].first);
    default:
        return -EXO_E_RANGE;
    }
}

APART static int64_t info_frame(struct env *self, uint32_t n, uint32_t index)
{
    if (n >= frame_count)
        return -EXO_E_RANGE;
    const struct frame *f = &frames[n];
    if (!may_ask(self, &envs[f->owner]))
        return -EXO_E_OWNER;
    switch (index) {
    case EXO_FRAME_OWNER:
        return envs[f->owner].name.n;
    case EXO_FRAME_TYPE:
        return f->type;
    case EXO_FRAME_MAPPED:
        return f->mapped;
    case EXO_FRAME_PINNED:
        return f->pinned;
    case EXO_FRAME_GRANTED:
        return f->granted;
    default:
        return -EXO_E_RANGE;
    }
}

APART static int64_t info_queue(struct env *self, uint32_t n, uint32_t index)
{
    if (n >= queue_count || index >= sizeof(struct exo_queue_stats) / 8)
        return -EXO_E_RANGE;
    const struct queue *q = &queues[n];
    if (!may_ask(self, &envs[q->owner]))
        return -EXO_E_OWNER;
    int64_t word;
    __builtin_memcpy(&word, (const char *)&q->stats + 8 * index, sizeof(word));
    return word;
}

APART static int64_t info_nic(uint32_t which, uint32_t index)
{
    if (which >= NICS)
        return -EXO_E_RANGE;
    if (which >= nic_count)
        return -EXO_E_EMPTY;
    const struct nic *nic = nics[which];
    int64_t driver = 0;
    for (uint32_t i = 0; i < 8 && nic->name[i]; i++)
        driver |= (int64_t)nic->name[i] << (8 * i);
    switch (index) {
    case EXO_NIC_MAC:
        return (int64_t)nic->mac;
    case EXO_NIC_LINK:
        return nic->link;
    case EXO_NIC_INTERRUPTS:
        return (int64_t)nic->interrupts;
    case EXO_NIC_UNMATCHED:
        return (int64_t)nic->unmatched;
    case EXO_NIC_DRIVER:
        return driver;
    case EXO_NIC_CROWDED:
        return (int64_t)nic->crowded;
    default:
        return -EXO_E_RANGE;
    }
}

static int64_t info_slice(uint32_t position)
{
    return position < slice_count ? (int64_t)envs[slice_owner[position]].name.n : -EXO_E_RANGE;
}

int64_t call_info(struct env *self, uint32_t what, uint32_t which, uint32_t index)
{
    if (what == EXO_INFO_MACHINE)
        return which ? -EXO_E_RANGE : info_machine(index);
    switch (what) {
    case EXO_INFO_ENV:
        return info_env(self, (env_t){which}, index);
    case EXO_INFO_FRAME:
        return info_frame(self, which, index);
    case EXO_INFO_QUEUE:
        return info_queue(self, which, index);
    case EXO_INFO_SLICE:
        return info_slice(which);
    case EXO_INFO_NIC:
        return info_nic(which, index);
    case EXO_INFO_GATE:
        return gate_info(self, which, index);
    case EXO_INFO_GRANT:
        return grant_info(self, (grant_t){which}, index);
    default:
        return -EXO_E_RANGE;
    }
}
