/* SPDX-License-Identifier: MIT */
/*
 * info.c - facts for whoever holds the right to them (exo/abi/info.h).
 */
#include "info.h"

#include "account.h"
#include "env.h"
#include "exo_handlers.h"
#include "frame.h"
#include "gate.h"
#include "grant.h"
#include "machine.h"
#include "nic.h"
#include "packet_queue.h"
#include "slice.h"

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
    case EXO_MACHINE_OWNERS:
        return account_owners.n;
    case EXO_MACHINE_ACCOUNTS:
        return account_frame.n;
    case EXO_MACHINE_IDLE_TICKS:
        return (int64_t)cpu_idle_ticks;
    case EXO_MACHINE_ENVS:
        return env_count;
    case EXO_MACHINE_QUEUES:
        return queue_count;
    case EXO_MACHINE_SLICES:
        return slice_count;
    default:
        return -EXO_E_RANGE;
    }
}

static int64_t info_env(struct env *self, env_t name, uint32_t index)
{
    struct env *env = env_find(self, name);

    if (!env || (env != self && !env_descends(env, self)))
        return -EXO_E_ENV;
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
        if (env->allowances && !env->allow[0].mask.mac)
            return (int64_t)EXO_MAC_ANY;
        return env->allowances ? (int64_t)env->allow[0].value.mac : 0;
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

static int64_t info_frame(struct env *self, uint64_t n, uint32_t index)
{
    if (n >= frame_count)
        return -EXO_E_RANGE;
    const struct frame *f = &frames[n];
    if (!f->owner || (&envs[f->owner] != self && !env_descends(&envs[f->owner], self)))
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

static int64_t info_nic(uint64_t which, uint32_t index)
{
    if (which >= NICS)
        return -EXO_E_RANGE;
    if (which >= nic_count)
        return -EXO_E_EMPTY;
    const struct nic *nic = nics[which];
    int64_t driver = 0;
    switch (index) {
    case EXO_NIC_MAC:
        return (int64_t)nic->mac;
    case EXO_NIC_LINK:
        return nic->link;
    case EXO_NIC_INTERRUPTS:
        return (int64_t)nic->interrupts;
    case EXO_NIC_UNMATCHED:
        return (int64_t)nic->unmatched;
    case EXO_NIC_CROWDED:
        return (int64_t)nic->crowded;
    case EXO_NIC_DRIVER:
        for (uint32_t i = 0; i < 8 && nic->name[i]; i++)
            driver |= (int64_t)nic->name[i] << (8 * i);
        return driver;
    default:
        return -EXO_E_RANGE;
    }
}

int64_t call_info(struct env *self, uint32_t what, uint64_t which, uint32_t index)
{
    switch (what) {
    case EXO_INFO_MACHINE:
        return which ? -EXO_E_RANGE : info_machine(index);
    case EXO_INFO_ENV:
        return which >> 32 ? -EXO_E_RANGE : info_env(self, (env_t){(uint32_t)which}, index);
    case EXO_INFO_FRAME:
        return info_frame(self, which, index);
    case EXO_INFO_QUEUE:
        return queue_info(self, which, index);
    case EXO_INFO_SLICE:
        return which >= slice_count ? -(int64_t)EXO_E_RANGE
                                    : (int64_t)envs[slice_owner[which]].name.n;
    case EXO_INFO_NIC:
        return info_nic(which, index);
    case EXO_INFO_GATE:
        return gate_info(self, which, index);
    case EXO_INFO_GRANT:
        return which >> 32 ? -EXO_E_RANGE : grant_info(self, (grant_t){(uint32_t)which}, index);
    default:
        return -EXO_E_RANGE;
    }
}
