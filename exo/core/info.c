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

/* The caller may ask about `env`. */
static bool may_ask(const struct env *self, const struct env *env)
{
    return env == self || env_descends(env, self);
}

static int64_t info_machine(uint32_t index)
{
    const int64_t facts[] = {
        [EXO_MACHINE_ABI] = EXO_ABI_VERSION,
        [EXO_MACHINE_FRAMES] = frame_count,
        [EXO_MACHINE_FREE] = frame_free_count,
        [EXO_MACHINE_TSC_HZ] = (int64_t)machine_tsc_hz,
        [EXO_MACHINE_BOOT_TSC] = (int64_t)machine_boot_tsc,
        [EXO_MACHINE_CPUS] = machine_cpus,
        [EXO_MACHINE_NICS] = nic_count,
        [EXO_MACHINE_IDLE_TICKS] = (int64_t)cpu_idle_ticks(),
        [EXO_MACHINE_ENVS] = env_count,
        [EXO_MACHINE_QUEUES] = queue_count,
        [EXO_MACHINE_SLICES] = slice_count,
        [EXO_MACHINE_CPU_SLICES] = slice_each,
        [EXO_MACHINE_OWNERS] = account_owners.n,
        [EXO_MACHINE_ACCOUNTS] = account_frame.n,
        [EXO_MACHINE_TRACES] = trace_frame.n,
    };
    return FACT(facts, index);
}

static int64_t env_mac(const struct env *env)
{
    if (!env->allowances)
        return 0;
    return env->allow[0].mask.mac ? (int64_t)env->allow[0].value.mac : (int64_t)EXO_MAC_ANY;
}

static int64_t info_env(struct env *self, env_t name, uint32_t index)
{
    int64_t error;
    const struct env *env = env_family(self, name, &error);

    if (!env)
        return error;
    if (index - EXO_ENV_USED < EXO_RESOURCES)
        return env->used[index - EXO_ENV_USED];
    if (index - EXO_ENV_QUOTA < EXO_RESOURCES)
        return env->quota[index - EXO_ENV_QUOTA];
    const int64_t facts[] = {
        [EXO_ENV_SELF_NAME] = env->name.n,
        [EXO_ENV_STATE] = env->state,
        [EXO_ENV_PARENT] = env->parent.n,
        [EXO_ENV_ROOT] = env->root.n,
        [EXO_ENV_CONTROL] = env->control.n,
        [EXO_ENV_SLICES] = env->slices,
        [EXO_ENV_SLICES_RUN] = (int64_t)env->slices_run,
        [EXO_ENV_TICKS] = (int64_t)cpu_ticks(env),
        [EXO_ENV_MAC] = env_mac(env),
        [EXO_ENV_END] = (int64_t)((uint64_t)env->end << 32 | env->end_status),
        [EXO_ENV_END_RIP] = (int64_t)(env->end_rip & INT64_MAX),
        [EXO_ENV_END_ADDRESS] = (int64_t)(env->end_address & INT64_MAX),
        [EXO_ENV_UPCALLS] = (int64_t)env->upcalls,
        [EXO_ENV_CALLS] = (int64_t)env->calls,
        [EXO_ENV_GIVEN] = grant_name(env->grants[GRANT_GIVEN].first),
        [EXO_ENV_RECEIVED] = grant_name(env->grants[GRANT_RECEIVED].first),
    };
    return FACT(facts, index);
}

static int64_t info_frame(struct env *self, uint32_t n, uint32_t index)
{
    if (n >= frame_count)
        return -EXO_E_RANGE;
    const struct frame *f = &frames[n];
    if (!may_ask(self, &envs[f->owner]))
        return -EXO_E_OWNER;
    const int64_t facts[] = {
        [EXO_FRAME_OWNER] = envs[f->owner].name.n,
        [EXO_FRAME_TYPE] = f->type,
        [EXO_FRAME_MAPPED] = f->mapped,
        [EXO_FRAME_PINNED] = f->pinned,
        [EXO_FRAME_GRANTED] = f->granted,
    };
    return FACT(facts, index);
}

static int64_t info_queue(struct env *self, uint32_t n, uint32_t index)
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

static int64_t info_nic(uint32_t which, uint32_t index)
{
    if (which >= NICS)
        return -EXO_E_RANGE;
    if (which >= nic_count)
        return -EXO_E_EMPTY;
    const struct nic *nic = nics[which];
    int64_t driver = 0;
    for (uint32_t i = 0; i < 8 && nic->name[i]; i++)
        driver |= (int64_t)nic->name[i] << (8 * i);
    const int64_t facts[] = {
        [EXO_NIC_MAC] = (int64_t)nic->mac,
        [EXO_NIC_LINK] = nic->link,
        [EXO_NIC_INTERRUPTS] = (int64_t)nic->interrupts,
        [EXO_NIC_UNMATCHED] = (int64_t)nic->unmatched,
        [EXO_NIC_DRIVER] = driver,
        [EXO_NIC_CROWDED] = (int64_t)nic->crowded,
    };
    return FACT(facts, index);
}

static int64_t info_slice(uint32_t position)
{
    return position < slice_count ? (int64_t)envs[slice_owner[position]].name.n : -EXO_E_RANGE;
}

int64_t call_info(struct env *self, uint32_t what, uint32_t which, uint32_t index)
{
    switch (what) {
    case EXO_INFO_MACHINE:
        return which ? -EXO_E_RANGE : info_machine(index);
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
