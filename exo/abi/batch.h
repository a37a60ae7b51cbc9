/* SPDX-License-Identifier: MIT */
/*
 * batch.h - operations that one call `batch` carries out.
 *
 * They lie one after another in a DATA or CONTROL frame of the caller, at an offset that is a
 * multiple of 8. The kernel reads each word once, just before it carries the operation out, and
 * writes `result` (zero or more) after. It stops at the first operation that is refused; those
 * before it stay done, it and those after it are as if they had not been there.
 *
 * A call may be in a batch if the manual says so: it is bounded, returns at once, and takes at most
 * EXO_BATCH_ARGUMENTS arguments. While the batch runs its frame is in use (pinned): no operation
 * can free it, give it away or make it a buffer.
 */
#ifndef EXO_ABI_BATCH_H
#define EXO_ABI_BATCH_H

#include "types.h"

#define EXO_BATCH_MAX       64u
#define EXO_BATCH_ARGUMENTS 4u

struct exo_operation {
    uint64_t call;                          /* EXO_CALL_... */
    uint64_t argument[EXO_BATCH_ARGUMENTS]; /* as in registers; those that it lacks: anything */
    int64_t result;                         /* written by the kernel if it was carried out */
};

/* What `batch` returns when operation `index` was refused with the error EXO_E_... `error`. */
#define EXO_BATCH_STOPPED(index, error) (-(((int64_t)(index) + 1) << 8 | (error)))
/* A result of `batch` below -255 says which operation was refused, and why. */
#define EXO_BATCH_INDEX(result) ((uint32_t)((-(result) >> 8) - 1))
#define EXO_BATCH_ERROR(result) ((uint32_t)(-(result)&0xff))

_Static_assert(EXO_BATCH_MAX * sizeof(struct exo_operation) <= EXO_PAGE_SIZE,
               "a batch is one page");

#endif
