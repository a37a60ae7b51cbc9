/* SPDX-License-Identifier: MIT */
/*
 * libos.h - in place of libos's: init's calls go to exo/core on the host (tests/unit/core/mock.h).
 *
 * Each call may be made to fail: fake_fail_at counts calls down, and the one that brings it to 0
 * comes back with -EXO_E_QUOTA and has done nothing.
 */
#ifndef TESTS_INIT_LIBOS_H
#define TESTS_INIT_LIBOS_H

#include <stdarg.h>
#include <string.h>

#include "mock.h"
#include "start.h"

extern struct env *fake_init;
extern int fake_fail_at;
extern char fake_said[4096];
extern const struct exo_start *libos_start_info;

static inline bool fake_fails(void)
{
    return fake_fail_at && --fake_fail_at == 0;
}

#define FAKE(name, CAPITALS, parameters, ...)                                                      \
    static inline int64_t exo_##name parameters                                                    \
    {                                                                                              \
        return fake_fails() ? -EXO_E_QUOTA : CALL(fake_init, CAPITALS, __VA_ARGS__);               \
    }
FAKE(page_alloc, PAGE_ALLOC, (env_t env, frame_t frame, uint32_t type), env.n, frame.n, type)
FAKE(page_give, PAGE_GIVE, (frame_t frame, env_t env), frame.n, env.n)
FAKE(pt_map, PT_MAP, (frame_t table, uint32_t index, frame_t frame, uint32_t perm), table.n, index,
     frame.n, perm)
FAKE(page_grant, PAGE_GRANT, (frame_t frame, env_t env, uint32_t perm, uint32_t tag), frame.n,
     env.n, perm, tag)
FAKE(grant_map, GRANT_MAP, (grant_t grant, frame_t table, uint32_t index, uint32_t perm), grant.n,
     table.n, index, perm)
FAKE(env_create, ENV_CREATE,
     (uint32_t pages, uint32_t envs, uint32_t queues, uint32_t grants, uint32_t gates,
      uint32_t filters),
     pages, envs, queues, grants, gates, filters)
FAKE(env_set, ENV_SET, (env_t env, uint32_t what, uint64_t a, uint64_t b), env.n, what, a, b)
FAKE(env_run, ENV_RUN, (env_t env, uint64_t rip, uint64_t rsp, uint64_t rdi), env.n, rip, rsp, rdi)

#define MIN(a, b) ((a) < (b) ? (a) : (b))

static inline int64_t exo_channel_read(void)
{
    return call_channel_read(fake_init);
}

static inline int64_t exo_channel_write(uint32_t count, uint64_t low, uint64_t high)
{
    return call_channel_write(fake_init, count, low, high);
}

/* These cannot fail for want of something. */
static inline int64_t exo_pt_read(frame_t table, uint32_t index)
{
    return CALL(fake_init, PT_READ, table.n, index);
}

static inline int64_t exo_page_free(frame_t frame)
{
    return call_page_free(fake_init, frame);
}

static inline int64_t exo_env_reclaim(env_t env)
{
    return CALL(fake_init, ENV_RECLAIM, env.n);
}

static inline int64_t exo_info(uint32_t what, uint64_t which, uint32_t index)
{
    return call_info(fake_init, what, which, index);
}

/* Memory of init's is frames of the mock's, one behind the other. */
static inline void *vm_alloc(uint32_t pages, uint32_t type)
{
    for (uint32_t first = MOCK_KERNEL; first + pages <= frame_count; first++) {
        uint32_t free = 0;
        while (free < pages && frames[first + free].type == EXO_FREE)
            free++;
        if (free < pages)
            continue;
        for (uint32_t i = 0; i < pages; i++)
            if (CALL(fake_init, PAGE_ALLOC, EXO_ENV_SELF, first + i, type) < 0)
                return NULL;
        return machine_frame((frame_t){first});
    }
    return NULL;
}

static inline frame_t vm_frame(uint64_t address)
{
    for (uint32_t n = MOCK_KERNEL; n < frame_count; n++)
        if ((uint64_t)machine_frame((frame_t){n}) == address)
            return (frame_t){n};
    return (frame_t){EXO_FRAME_NONE};
}

static inline void *vm_window(frame_t frame)
{
    return frame.n && !fake_fails() ? machine_frame(frame) : NULL;
}

static inline void critical_enter(void)
{
}

static inline void critical_exit(void)
{
}

uint64_t time_tsc(void);

extern uint64_t fake_random;

static inline void random_bytes(void *to, size_t length)
{
    memset(to, 0x5a, length);
    if (length == sizeof(fake_random))
        memcpy(to, &fake_random, length);
}

__attribute__((format(printf, 1, 2))) int fake_printf(const char *format, ...);
#define printf fake_printf

#endif
