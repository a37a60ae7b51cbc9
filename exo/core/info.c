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

static int64_t info_machine(uint32_t index)
{
    switch (index) {
        CASE(EXO_MACHINE_ABI, EXO_ABI_VERSION);
        CASE(EXO_MACHINE_FRAMES, frame_count);
        CASE(EXO_MACHINE_FREE, frame_free_count);
        CASE(EXO_MACHINE_TSC_HZ, (int64_t)machine_tsc_hz);
        CASE(EXO_MACHINE_BOOT_TSC, (int64_t)machine_boot_tsc);
        CASE(EXO_MACHINE_CPUS, machine_cpus);
        CASE(EXO_MACHINE_NICS, nic_count);
        CASE(EXO_MACHINE_IDLE_TICKS, (int64_t)cpu_idle_ticks());
        CASE(EXO_MACHINE_ENVS, env_count);
        CASE(EXO_MACHINE_QUEUES, queue_count);
        CASE(EXO_MACHINE_SLICES, slice_count);
        CASE(EXO_MACHINE_CPU_SLICES, slice_each);
        CASE(EXO_MACHINE_OWNERS, account_owners.n);
        CASE(EXO_MACHINE_ACCOUNTS, account_frame.n);
        CASE(EXO_MACHINE_TRACES, trace_frame.n);
    }
    return -EXO_E_RANGE;
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
        CASE(EXO_ENV_SELF_NAME, env->name.n);
        CASE(EXO_ENV_STATE, env->state);
        CASE(EXO_ENV_PARENT, env->parent.n);
        CASE(EXO_ENV_ROOT, env->root.n);
        CASE(EXO_ENV_CONTROL, env->control.n);
        CASE(EXO_ENV_SLICES, env->slices);
        CASE(EXO_ENV_SLICES_RUN, (int64_t)env->slices_run);
        CASE(EXO_ENV_TICKS, (int64_t)cpu_ticks(env));
        CASE(EXO_ENV_MAC, env_mac(env));
        CASE(EXO_ENV_END, (int64_t)((uint64_t)env->end << 32 | env->end_status));
        CASE(EXO_ENV_END_RIP, (int64_t)(env->end_rip & INT64_MAX));
        CASE(EXO_ENV_END_ADDRESS, (int64_t)(env->end_address & INT64_MAX));
        CASE(EXO_ENV_UPCALLS, (int64_t)env->upcalls);
        CASE(EXO_ENV_CALLS, (int64_t)env->calls);
        CASE(EXO_ENV_GIVEN, grant_name(env->grants[GRANT_GIVEN].first));
        CASE(EXO_ENV_RECEIVED, grant_name(env->grants[GRANT_RECEIVED].first));
    }
    return -EXO_E_RANGE;
}

APART static int64_t info_frame(struct env *self, uint32_t n, uint32_t index)
{
    if (n >= frame_count)
        return -EXO_E_RANGE;
    const struct frame *f = &frames[n];
    if (!env_is_under(&envs[f->owner], self))
        return -EXO_E_OWNER;
    switch (index) {
        CASE(EXO_FRAME_OWNER, envs[f->owner].name.n);
        CASE(EXO_FRAME_TYPE, f->type);
        CASE(EXO_FRAME_MAPPED, f->mapped);
        CASE(EXO_FRAME_PINNED, f->pinned);
        CASE(EXO_FRAME_GRANTED, f->granted);
    }
    return -EXO_E_RANGE;
}

APART static int64_t info_queue(struct env *self, uint32_t n, uint32_t index)
{
    if (n >= queue_count || index >= sizeof(struct exo_queue_stats) / 8)
        return -EXO_E_RANGE;
    if (!env_is_under(&envs[queues[n].owner], self))
        return -EXO_E_OWNER;
    return ((const int64_t *)&queues[n].stats)[index];
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
        CASE(EXO_NIC_MAC, (int64_t)nic->mac);
        CASE(EXO_NIC_LINK, nic->link);
        CASE(EXO_NIC_INTERRUPTS, (int64_t)nic->interrupts);
        CASE(EXO_NIC_UNMATCHED, (int64_t)nic->unmatched);
        CASE(EXO_NIC_DRIVER, driver);
        CASE(EXO_NIC_CROWDED, (int64_t)nic->crowded);
        CASE(EXO_NIC_OFFLOADS, nic->offloads);
    }
    return -EXO_E_RANGE;
}

int64_t call_info(struct env *self, uint32_t what, uint32_t which, uint32_t index)
{
    switch (what) {
        CASE(EXO_INFO_MACHINE, which ? -EXO_E_RANGE : info_machine(index));
        CASE(EXO_INFO_ENV, info_env(self, (env_t){which}, index));
        CASE(EXO_INFO_FRAME, info_frame(self, which, index));
        CASE(EXO_INFO_QUEUE, info_queue(self, which, index));
        CASE(EXO_INFO_SLICE,
             which < slice_count ? (int64_t)envs[slice_owner[which]].name.n : -EXO_E_RANGE);
        CASE(EXO_INFO_NIC, info_nic(which, index));
        CASE(EXO_INFO_GATE, gate_info(self, which, index));
        CASE(EXO_INFO_GRANT, grant_info(self, (grant_t){which}, index));
    }
    return -EXO_E_RANGE;
}
