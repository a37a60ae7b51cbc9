/* SPDX-License-Identifier: MIT */
/* hooks.h - where lwIP asks us. Included by lwIP's own files. */
#ifndef LIBNET_HOOKS_H
#define LIBNET_HOOKS_H

#include "lwip/ip_addr.h"

/* isn.c */
uint32_t net_tcp_isn(const ip_addr_t *local, uint16_t local_port, const ip_addr_t *remote,
                     uint16_t remote_port);

#define LWIP_HOOK_TCP_ISN net_tcp_isn

/* ip6.c */
struct netif;
const ip6_addr_t *net_gateway6(struct netif *netif, const ip6_addr_t *to);

#define LWIP_HOOK_ND6_GET_GW net_gateway6

#endif
