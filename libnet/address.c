/* SPDX-License-Identifier: MIT */
/*
 * address.c - the names of sockets: as POSIX has them, and as lwIP has them.
 *
 * Inside a name is lwIP's address, of either family, and a port. A socket of AF_INET6 speaks IPv4, too, unless
 * IPV6_V6ONLY was set: then its names are IPv4-mapped ones (RFC 3493, section 3.7).
 */
#include <errno.h>
#include <string.h>

#include "lwip/netif.h"

#include "socket.h"

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

static long read4(const void *name, socklen_t length, struct socket_name *to)
{
    struct sockaddr_in in;

    if (length < sizeof(in))
        return -EINVAL;
    memcpy(&in, name, sizeof(in));
    if (in.sin_family != AF_INET)
        return -EAFNOSUPPORT;
    ip_addr_set_ip4_u32_val(to->address, in.sin_addr.s_addr);
    to->port = ntohs(in.sin_port);
    return 0;
}

static long read6(const struct net_socket *s, const void *name, socklen_t length,
                  struct socket_name *to)
{
    struct sockaddr_in6 in;
    ip6_addr_t *ip6 = ip_2_ip6(&to->address);
    uint32_t v4;

    if (length < sizeof(in))
        return -EINVAL;
    memcpy(&in, name, sizeof(in));
    if (in.sin6_family != AF_INET6)
        return -EAFNOSUPPORT;
    to->port = ntohs(in.sin6_port);
    if (memcmp(&in.sin6_addr, mapped, sizeof(mapped)) != 0) {
        memcpy(ip6->addr, &in.sin6_addr, sizeof(ip6->addr));
        IP_SET_TYPE_VAL(to->address, IPADDR_TYPE_V6);
        return 0;
    }
    if (s->v6only)
        return -ENETUNREACH;
    memcpy(&v4, in.sin6_addr.s6_addr + sizeof(mapped), sizeof(v4));
    ip_addr_set_ip4_u32_val(to->address, v4);
    return 0;
}

long socket_name_read(const struct net_socket *s, const void *name, socklen_t length,
                      struct socket_name *to)
{
    if (!name)
        return -EINVAL;
    *to = (struct socket_name){0};
    return s->v6 ? read6(s, name, length, to) : read4(name, length, to);
}

static void give(const void *from, size_t size, void *to, socklen_t *length)
{
    memcpy(to, from, *length < size ? *length : size);
    *length = (socklen_t)size;
}

void socket_name_give(const struct net_socket *s, const struct socket_name *name, void *to,
                      socklen_t *length)
{
    const ip_addr_t *address = &name->address;
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(name->port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(name->port)};
    uint32_t v4 = ip4_addr_get_u32(ip_2_ip4(address));

    if (!to || !length)
        return;
    if (!s->v6) {
        in.sin_addr.s_addr = v4;
        give(&in, sizeof(in), to, length);
        return;
    }
    if (IP_IS_V6(address)) {
        memcpy(&in6.sin6_addr, ip_2_ip6(address)->addr, sizeof(in6.sin6_addr));
    } else if (!IP_IS_ANY_TYPE_VAL(*address)) {
        memcpy(&in6.sin6_addr, mapped, sizeof(mapped));
        memcpy(in6.sin6_addr.s6_addr + sizeof(mapped), &v4, sizeof(v4));
    }
    give(&in6, sizeof(in6), to, length);
}

const ip_addr_t *socket_any(const struct net_socket *s)
{
    return !s->v6 ? IP4_ADDR_ANY : s->v6only ? IP6_ADDR_ANY : IP_ANY_TYPE;
}

/* lwIP's own word for "any address of any family" where `::` means that. */
const ip_addr_t *socket_bind_address(const struct net_socket *s, const struct socket_name *name)
{
    return s->v6 && IP_IS_V6(&name->address) && ip_addr_isany(&name->address) ? socket_any(s)
                                                                              : &name->address;
}

/* lwIP's TCP does not look at this. */
bool socket_reaches(const ip_addr_t *local, const struct socket_name *to)
{
    return IP_IS_ANY_TYPE_VAL(*local) || IP_GET_TYPE(local) == IP_GET_TYPE(&to->address);
}

static bool has(struct netif *netif, const ip_addr_t *address)
{
    return IP_IS_V6(address) ? netif_get_ip6_addr_match(netif, ip_2_ip6(address)) >= 0
                             : ip4_addr_eq(netif_ip4_addr(netif), ip_2_ip4(address));
}

bool socket_local_ok(const struct socket_name *name)
{
    struct netif *netif;

    if (ip_addr_isany(&name->address))
        return true;
    NETIF_FOREACH(netif)
    {
        if (has(netif, &name->address))
            return true;
    }
    return false;
}
