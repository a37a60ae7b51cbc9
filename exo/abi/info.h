/* SPDX-License-Identifier: MIT */
/*
 * info.h - what the calls env_set and info name.
 */
#ifndef EXO_ABI_INFO_H
#define EXO_ABI_INFO_H

/* env_set: which property. */
enum exo_env_set {
    EXO_ENV_SET_ROOT,
    EXO_ENV_SET_CONTROL,
    EXO_ENV_SET_NAME,
    EXO_ENV_SET_MAC,
    EXO_ENV_SET_FLOOR,
    EXO_ENV_ADD_QUOTA,
    EXO_ENV_SET_ALLOW,
    EXO_ENV_SET_RIGHTS = 8,
    EXO_ENV_SET_VCPU,
};

/* What an environment may do beside its own, as bits of `a` of EXO_ENV_SET_RIGHTS. */
#define EXO_RIGHT_TABLES (1u << 0) /* read the kernel's tables as memory (facts.h) */
#define EXO_RIGHTS       EXO_RIGHT_TABLES

/* info: the first argument. */
enum exo_info {
    EXO_INFO_MACHINE, /* index: enum exo_info_machine; `which` 0 */
    EXO_INFO_ENV,     /* which: environment, index: enum exo_info_env */
    EXO_INFO_FRAME,   /* which: frame, index: enum exo_info_frame */
    EXO_INFO_QUEUE,   /* which: queue, index: 8-byte word of struct exo_queue_stats */
    EXO_INFO_SLICE,   /* which: position; the owner's name (anybody may read) */
    EXO_INFO_NIC,     /* which: NIC, index: enum exo_info_nic */
    EXO_INFO_GRANT,   /* which: grant, index: enum exo_info_grant */
    EXO_INFO_GATE, /* which: place in the table of gates, 1 to EXO_GATES; index: enum exo_info_gate */
};

enum exo_info_machine {
    EXO_MACHINE_ABI,        /* version of this contract: EXO_ABI_VERSION */
    EXO_MACHINE_FRAMES,     /* one past the highest frame */
    EXO_MACHINE_FREE,       /* free frames */
    EXO_MACHINE_TSC_HZ,     /* time stamp counter's rate */
    EXO_MACHINE_BOOT_TSC,   /* its value when wall_clock of boot_info held */
    EXO_MACHINE_CPUS,       /* CPUs that run applications */
    EXO_MACHINE_NICS,       /* NICs driven */
    EXO_MACHINE_IDLE_TICKS, /* time stamp ticks spent halted */
    EXO_MACHINE_ENVS,       /* slots for environments, the kernel's own slot 0 included */
    EXO_MACHINE_QUEUES,     /* network queues */
    EXO_MACHINE_SLICES,     /* positions in the slice vector */
    EXO_MACHINE_OWNERS,     /* first frame of the table of frames (facts.h) */
    EXO_MACHINE_ACCOUNTS,   /* first frame of the table of accounts */
    EXO_MACHINE_CPU_SLICES, /* of these positions, how many each CPU has: CPU n from n times that on */
    EXO_MACHINE_TRACES,     /* first frame of the CPUs' rings of events (trace_ring.h) */
};

enum exo_info_env {
    EXO_ENV_SELF_NAME, /* its own name (env_t), for EXO_ENV_SELF */
    EXO_ENV_STATE,     /* enum exo_env_state */
    EXO_ENV_PARENT,
    EXO_ENV_ROOT,       /* frame of the root table */
    EXO_ENV_CONTROL,    /* frame of the control page */
    EXO_ENV_SLICES,     /* positions owned */
    EXO_ENV_SLICES_RUN, /* slices begun */
    EXO_ENV_TICKS,      /* time stamp ticks on the CPU */
    EXO_ENV_MAC,        /* MAC of the first filter that it was allowed, 0: none, EXO_MAC_ANY: any */
    EXO_ENV_END, /* enum exo_end, shifted left by 32, and the status (env_kill) or fault vector */
    /* Addresses without their bit 63, as which one could not be told from an error. */
    EXO_ENV_END_RIP,     /* where it was when it ended */
    EXO_ENV_END_ADDRESS, /* page fault address, if it ended by one, or an unusable upcall entry */
    EXO_ENV_UPCALLS,     /* upcalls delivered */
    EXO_ENV_CALLS,       /* calls made */
    EXO_ENV_GIVEN,       /* the grant that it gave last, 0: none (EXO_GRANT_NEXT leads on) */
    EXO_ENV_RECEIVED,    /* the grant that it received last */
    EXO_ENV_USED = 32,   /* plus an enum exo_resource: how much of it it has */
    EXO_ENV_QUOTA = 48,  /* plus an enum exo_resource: how much it may have, what its children took
                                already taken off */
};

enum exo_info_frame {
    EXO_FRAME_OWNER, /* env_t */
    EXO_FRAME_TYPE,
    EXO_FRAME_MAPPED, /* entries that name it */
    EXO_FRAME_PINNED,
    EXO_FRAME_GRANTED, /* grants of it */
};

/* For the granter and the grantee. */
enum exo_info_grant {
    EXO_GRANT_FRAME,
    EXO_GRANT_GRANTER, /* env_t */
    EXO_GRANT_GRANTEE, /* env_t */
    EXO_GRANT_PERM,    /* the most that grant_map gives */
    EXO_GRANT_TAG,     /* what page_grant was told */
    EXO_GRANT_MAPPED,  /* 1: an entry maps it */
    EXO_GRANT_NEXT,    /* the one that the caller gave, or received, before it; 0: none */
};

enum exo_info_gate {
    EXO_GATE_NAME,  /* gate_t */
    EXO_GATE_OWNER, /* env_t */
    EXO_GATE_MARK,  /* what gate_create was told */
};

enum exo_info_nic {
    EXO_NIC_MAC,
    EXO_NIC_LINK,       /* 1: up */
    EXO_NIC_INTERRUPTS, /* taken so far */
    EXO_NIC_UNMATCHED,  /* packets that no filter wanted */
    EXO_NIC_DRIVER,     /* 8 characters, little-endian: "virtio", "e1000" */
    EXO_NIC_CROWDED,    /* packets to groups dropped because others were still being delivered */
    EXO_NIC_OFFLOADS,   /* EXO_OFFLOAD_...: flags that it takes with packets to send (ring.h) */
};

/* Why an environment is a ZOMBIE. */
enum exo_end {
    EXO_END_NOT,     /* it is not */
    EXO_END_SELF,    /* it asked for it; a status follows */
    EXO_END_KILLED,  /* an ancestor did; a status follows */
    EXO_END_FAULT,   /* a fault with upcalls disabled; the vector follows */
    EXO_END_UPCALL,  /* its control page names no usable upcall entry or stack */
    EXO_END_REVOKED, /* its parent wanted pages back and did not get them; how many are missing */
};

#define EXO_ABI_VERSION 9u
#define EXO_MAC_ANY     0x7fffffffffffffffull

#endif
