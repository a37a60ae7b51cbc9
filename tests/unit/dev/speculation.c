/* SPDX-License-Identifier: MIT */
/* speculation.c - what is chosen for CPUs of each kind. */
#include "speculation.h"

#include "../tap.h"

#define NONE     0u
#define IBPB     (1u << 26) /* leaf 7, with IBRS */
#define CLEAR    (1u << 10)
#define RDCL_NO  (1ull << 0)
#define IBRS_ALL (1ull << 1)
#define MDS_NO   (1ull << 5)
#define FBSDP_NO (1ull << 14)

static const struct {
    const char *what;
    struct speculation_cpu cpu;
    struct speculation wanted;
} cases[] = {
    {"Intel before 2018: all is missing",
     {.intel = true},
     {.no_barrier = true, .no_clear = true, .no_restricted = true, .no_isolation = true}},
    {"the same with new microcode",
     {.intel = true, .seven_edx = IBPB | CLEAR},
     {.barrier = true, .clear_buffers = true, .no_restricted = true, .no_isolation = true}},
    {"Intel with Meltdown mended and MDS not",
     {.intel = true, .seven_edx = IBPB | CLEAR, .capabilities = RDCL_NO | IBRS_ALL},
     {.barrier = true, .clear_buffers = true, .restricted = true}},
    {"Intel with MDS mended, stale buffers not",
     {.intel = true, .seven_edx = IBPB | CLEAR, .capabilities = RDCL_NO | IBRS_ALL | MDS_NO},
     {.barrier = true, .clear_buffers = true, .restricted = true}},
    {"MDS mended, nothing to clear with",
     {.intel = true, .seven_edx = IBPB, .capabilities = RDCL_NO | IBRS_ALL | MDS_NO},
     {.barrier = true, .restricted = true}},
    {"Intel with all mended",
     {.intel = true,
      .seven_edx = IBPB | CLEAR,
      .capabilities = RDCL_NO | IBRS_ALL | MDS_NO | FBSDP_NO},
     {.barrier = true, .restricted = true}},
    {"AMD with nothing", {.intel = false}, {.no_barrier = true, .no_restricted = true}},
    {"AMD with a barrier", {.amd_ebx = 1u << 12}, {.barrier = true, .no_restricted = true}},
    {"AMD whose IBRS is not meant to stay on",
     {.amd_ebx = 1u << 12 | 1u << 14},
     {.barrier = true, .no_restricted = true}},
    {"AMD whose IBRS is",
     {.amd_ebx = 1u << 12 | 1u << 14 | 1u << 16},
     {.barrier = true, .restricted = true}},
    {"AMD with automatic IBRS",
     {.amd_ebx = 1u << 12 | 1u << 14 | 1u << 16, .amd_eax21 = 1u << 8},
     {.barrier = true, .auto_restricted = true}},
};

static bool same(struct speculation a, struct speculation b)
{
    return a.barrier == b.barrier && a.clear_buffers == b.clear_buffers &&
           a.restricted == b.restricted && a.auto_restricted == b.auto_restricted &&
           a.no_barrier == b.no_barrier && a.no_clear == b.no_clear &&
           a.no_restricted == b.no_restricted && a.no_isolation == b.no_isolation;
}

int main(void)
{
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        tap_ok(same(speculation_choose(&cases[i].cpu), cases[i].wanted), "%s", cases[i].what);
    return tap_done();
}
