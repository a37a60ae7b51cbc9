/* SPDX-License-Identifier: MIT */
/*
 * speculation.c - the choice, once a boot, of what is done against speculative execution.
 *
 * Bits: Intel SDM vol. 2, CPUID leaf 7; vol. 4, IA32_ARCH_CAPABILITIES; AMD64 manual vol. 3, appendix
 * E.4 (leaves 0x80000008 and 0x80000021).
 */
#include "speculation.h"

#define SEVEN_MD_CLEAR  (1u << 10)
#define SEVEN_IBRS_IBPB (1u << 26)

#define CAN_RDCL_NO     (1ull << 0)
#define CAN_IBRS_ALL    (1ull << 1)
#define CAN_MDS_NO      (1ull << 5)
#define CAN_FBSDP_NO    (1ull << 14)

#define AMD_IBPB        (1u << 12)
#define AMD_IBRS        (1u << 14)
#define AMD_IBRS_ALWAYS (1u << 16)
#define AMD_AUTO_IBRS   (1u << 8)

struct speculation speculation_choose(const struct speculation_cpu *cpu)
{
    struct speculation s = {0};
    uint64_t can = cpu->capabilities;
    bool mds = cpu->intel && !(can & CAN_MDS_NO), stale = cpu->intel && !(can & CAN_FBSDP_NO);
    bool clears = cpu->seven_edx & SEVEN_MD_CLEAR;

    s.barrier = cpu->seven_edx & SEVEN_IBRS_IBPB || cpu->amd_ebx & AMD_IBPB;
    s.clear_buffers = (mds || stale) && clears;
    s.auto_restricted = cpu->amd_eax21 & AMD_AUTO_IBRS;
    s.restricted =
        !s.auto_restricted &&
        (can & CAN_IBRS_ALL || (cpu->amd_ebx & AMD_IBRS && cpu->amd_ebx & AMD_IBRS_ALWAYS));
    s.no_barrier = !s.barrier;
    s.no_clear = mds && !clears;
    s.no_restricted = !s.restricted && !s.auto_restricted;
    s.no_isolation = cpu->intel && !(can & CAN_RDCL_NO);
    return s;
}
