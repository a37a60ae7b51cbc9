/* SPDX-License-Identifier: MIT */
/* cc.h - what lwIP wants to know of the compiler and its surroundings. */
#ifndef LIBNET_ARCH_CC_H
#define LIBNET_ARCH_CC_H

#include <endian.h> /* BYTE_ORDER */
#include <stdint.h>

uint32_t net_random(void);
_Noreturn void net_assertion_failed(const char *what, const char *file, int line);

#define LWIP_RAND()                net_random()
#define LWIP_PLATFORM_ASSERT(what) net_assertion_failed(what, __FILE__, __LINE__)

#endif
