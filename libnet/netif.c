/* SPDX-License-Identifier: MIT */
/*
 * netif.c - the rings as a network interface of lwIP's.
 *
 * Receive is without a copy: lwIP and the sockets get the ring's buffer itself, which goes back to
 * the kernel when the last of them lets go. When half of the buffers are lent (an eighth, for small
 * packets), packets are copied out, so that sockets that are not read cannot stop the others, nor a
 * burst find no room.
 *
 * What comes from the network is looked at before lwIP sees it (net_frame_ok). A packet of several
 * buffers is one chain of pbufs, so that TCP has it in one piece.
 */
#include <string.h>

#include "lwip/etharp.h"
#include "lwip/netif.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/prot/ethernet.h"
#include "netif/ethernet.h"

#include "bytes.h"
#include "net.h"
#include "rings.h"
#include "segments.h"

struct netif net_card;
struct net_card_stats net_card_stats;

#define ROUND         64 /* packets handled before somebody else has a turn */
#define NEWCOMERS     8u /* of a round */
#define NEWCOMERS_MAX 2048u
#define WAITING_MAX   8192u
#define SMALL         512u
#define HEADERS       256u /* more than all headers of a TCP segment take */

/* Of a pbuf: nobody need look at the checksums of TCP and UDP. lwIP 2.2.1 has no such flag. */
#define CHECKED 0x80u

static struct rx_buffer {
    struct pbuf_custom pbuf; /* first: lwIP hands this back */
} * rx_buffers;
static uint32_t rx_buffer_count;

/* --- receiving ------------------------------------------------------------------------------- */

enum { ARP_LENGTH = 28, IPV4_LENGTH = 20, UDP_LENGTH = 8, FRAME_LEAST = 60 };

/*
 * RFC 9293, section 3.1: but for two kinds an option has its length in its second byte, and ends with the
 * header. lwIP 2.2.1 reads that byte behind the header, and so behind the frame.
 */
bool net_tcp_ok(const uint8_t *segment, uint32_t length)
{
    uint32_t end = length >= TCP_HLEN ? (segment[12] >> 4) * 4u : 0, at = TCP_HLEN;

    if (end > length)
        return true; /* lwIP looks */
    while (at < end && segment[at] != LWIP_TCP_OPT_EOL) {
        if (segment[at] == LWIP_TCP_OPT_NOP) {
            at++;
            continue;
        }
        if (end - at < 2 || segment[at + 1] < 2 || segment[at + 1] > end - at)
            return false;
        at += segment[at + 1];
    }
    return true;
}

/* RFC 791 and 768. A frame shorter than its header says is left to lwIP, which looks. */
static bool ipv4_ok(const uint8_t *packet, uint32_t length)
{
    uint32_t header = length ? (packet[0] & 15u) * 4 : 0;

    if (length < IPV4_LENGTH)
        return false;
    if (packet[9] == IP_PROTO_TCP && header <= length && !(word16(packet + 6) & 0x1fff))
        return net_tcp_ok(packet + header, length - header);
    if (packet[9] != IP_PROTO_UDP)
        return true;
    /* A later fragment has no header of UDP's, but its frame is filled up to 60 bytes. */
    return length >= header + (word16(packet + 6) & 0x1fff ? UDP_LENGTH / 2 : UDP_LENGTH);
}

/*
 * Two places of lwIP 2.2.1 read on without a look at the length: etharp_input all 28 bytes of an
 * ARP packet (RFC 826 gives the fields), and ip4_input the port of a datagram that is for somebody
 * else, in case it is DHCP. Frames too short for that are dropped here. IPv6: ip6.c.
 */
bool net_frame_ok(const uint8_t *frame, uint32_t length)
{
    uint32_t type = length >= SIZEOF_ETH_HDR ? word16(frame + 12) : 0;
    uint32_t rest = length - SIZEOF_ETH_HDR;
    const uint8_t *body = frame + SIZEOF_ETH_HDR;

    if (type == ETHTYPE_IP) {
        if (ipv4_ok(body, rest))
            return true;
    } else if (type == ETHTYPE_ARP) {
        if (rest >= ARP_LENGTH && word16(body) == 1 && word16(body + 2) == ETHTYPE_IP &&
            body[4] == 6 && body[5] == 4)
            return true;
    } else if (type == ETHTYPE_IPV6 && net_ip6_on()) {
        if (net_ip6_ok(body, rest))
            return true;
    } else if (length >= SIZEOF_ETH_HDR) {
        net_card_stats.rx_foreign++;
        return false;
    }
    net_card_stats.rx_malformed++;
    return false;
}

static void give_back(struct pbuf *p)
{
    rings_give((uint32_t)((struct rx_buffer *)p - rx_buffers));
}

/* Memory is out: what came out of order is not acknowledged yet and will come again. */
static void drop_unordered(void)
{
    for (struct tcp_pcb *pcb = tcp_active_pcbs; pcb; pcb = pcb->next)
        tcp_free_ooseq(pcb);
}

/* May the stack have the buffer itself? A small packet is soon copied: its buffer is rather left to
 * those that come next. */
static bool can_lend(const struct packet *packet)
{
    uint32_t lent = rx_buffer_count - rings_posted();

    return lent <= rx_buffer_count / (packet->length <= SMALL ? 8 : 2);
}

static struct pbuf *pbuf_of(const struct packet *packet)
{
    struct pbuf *p;

    if (can_lend(packet))
        return pbuf_alloced_custom(PBUF_RAW, (u16_t)packet->length, PBUF_REF,
                                   &rx_buffers[packet->buffer].pbuf, packet->data, EXO_BUFFER_SIZE);
    p = pbuf_alloc(PBUF_RAW, (u16_t)packet->length, PBUF_RAM);
    if (!p) {
        drop_unordered();
        p = pbuf_alloc(PBUF_RAW, (u16_t)packet->length, PBUF_RAM);
    }
    if (p) {
        memcpy(p->payload, packet->data, packet->length);
        net_card_stats.rx_copied++;
    } else {
        net_card_stats.rx_no_memory++;
    }
    rings_give(packet->buffer);
    return p;
}

/* What comes in several buffers is TCP, with all of its headers in the first one. */
static bool large_ok(const struct packet *first)
{
    const uint8_t *frame = first->data;

    return first->length >= HEADERS &&
           ((word16(frame + 12) == ETHTYPE_IP && frame[SIZEOF_ETH_HDR + 9] == IP_PROTO_TCP) ||
            (word16(frame + 12) == ETHTYPE_IPV6 && frame[SIZEOF_ETH_HDR + 6] == IP_PROTO_TCP));
}

/* The pieces that belong to a packet become one chain with `p`, or go back if that is NULL, or if
 * there is no memory, or more than a chain may have. */
static struct pbuf *take_rest(struct pbuf *p, bool more)
{
    struct packet next;

    while (more && rings_take(&next)) {
        more = next.flags & EXO_DESC_MORE;
        bool fits = p && p->tot_len + next.length <= UINT16_MAX;
        struct pbuf *piece = fits ? pbuf_of(&next) : NULL;
        if (!fits)
            rings_give(next.buffer);
        if (piece)
            pbuf_cat(p, piece);
        else if (p)
            pbuf_free(p);
        p = piece ? p : NULL;
    }
    return p;
}

/* --- what waits ------------------------------------------------------------------------------ */

/*
 * TCP takes as long for a packet as it takes to get fifty from the ring, and what the ring has no room
 * for is lost, to come again when its sender's patience is over. So the ring is emptied before each
 * packet is handled, and what came waits here.
 *
 * Who wants to connect waits until there is a place: a listener has few for handshakes, and were a
 * thousand begun before one is completed, most would be refused. A few at a time are let in, so that
 * their peers hear of it before more are.
 */
static struct waiting {
    struct pbuf *first, **end; /* linked by the `next` of each packet's last pbuf */
    uint32_t count;
} packets = {NULL, &packets.first, 0}, newcomers = {NULL, &newcomers.first, 0};
static bool shut_out; /* those who want to connect found no place */

static struct pbuf *last_of(struct pbuf *p)
{
    while (p->len != p->tot_len)
        p = p->next;
    return p;
}

static void put(struct waiting *to, struct pbuf *p)
{
    *to->end = p;
    to->end = &last_of(p)->next;
    to->count++;
}

static struct pbuf *take(struct waiting *from)
{
    struct pbuf *p = from->first, *last = last_of(p);

    from->first = last->next;
    if (!from->first)
        from->end = &from->first;
    last->next = NULL;
    from->count--;
    return p;
}

/* Of a frame that net_frame_ok() found good: a TCP segment with SYN and no ACK (RFC 9293, 3.1). */
static bool is_newcomer(const uint8_t *frame, uint32_t length)
{
    const uint8_t *ip = frame + SIZEOF_ETH_HDR, *tcp = ip + (ip[0] & 15) * 4;

    return word16(frame + 12) == ETHTYPE_IP && ip[9] == IP_PROTO_TCP &&
           tcp + TCP_HLEN <= frame + length && (tcp[13] & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

void net_card_empty_ring(void)
{
    struct packet packet;

    while (packets.count < WAITING_MAX && rings_take(&packet)) {
        bool more = packet.flags & EXO_DESC_MORE, good = !more || large_ok(&packet);
        net_card_stats.rx_malformed += !good;
        /* Of a large one no more is read than the headers, which are there. */
        good = good && net_frame_ok(packet.data, more ? EXO_PACKET_LONG : packet.length);
        bool comes = good && is_newcomer(packet.data, packet.length);
        bool wanted = good && !(comes && newcomers.count == NEWCOMERS_MAX);
        struct pbuf *p = wanted ? pbuf_of(&packet) : NULL;
        if (!wanted)
            rings_give(packet.buffer);
        if (p && packet.flags & EXO_DESC_CHECKSUM && segments_whole(packet.data, packet.length))
            p->flags |= CHECKED;
        p = take_rest(p, more);
        if (!p)
            continue;
        put(comes ? &newcomers : &packets, p);
        shut_out &= !comes;
    }
}

bool net_card_waiting(void)
{
    return packets.first || (newcomers.first && !shut_out);
}

/* Sums of TCP that the card makes, lwIP does not. It looks at those of TCP and UDP in what comes by the card, unless that is
 * known to be good, and not in what it sends to its own address, which has none then. */
static void set_checks(bool check)
{
    uint32_t by_card = rings_offloads() & EXO_OFFLOAD_CHECKSUM ? NETIF_CHECKSUM_GEN_TCP : 0;
    uint32_t skipped = check ? 0 : NETIF_CHECKSUM_CHECK_TCP | NETIF_CHECKSUM_CHECK_UDP;

    NETIF_SET_CHECKSUM_CTRL(&net_card, (u16_t)(NETIF_CHECKSUM_ENABLE_ALL & ~by_card & ~skipped));
}

static void handle(struct pbuf *p)
{
    bool check = !(p->flags & CHECKED);

    net_front(p->payload, p->len);
    if (check)
        set_checks(true);
    if (net_card.input(p, &net_card) != ERR_OK)
        pbuf_free(p);
    if (check)
        set_checks(false);
}

/* Has the listener that it wants, if there is one, a place? */
static bool has_place(const struct pbuf *p)
{
    const uint8_t *ip = (const uint8_t *)p->payload + SIZEOF_ETH_HDR, *tcp = ip + (ip[0] & 15) * 4;
    const struct tcp_pcb_listen *listener = tcp_listen_pcbs.listen_pcbs;

    while (listener && listener->local_port != word16(tcp + 2))
        listener = listener->next;
    return !listener || listener->accepts_pending < listener->backlog;
}

void net_card_place(void)
{
    shut_out = false;
}

/* Who finds no place goes to the end: another may want another listener. */
static void let_in(void)
{
    shut_out = true;
    for (uint32_t i = 0; i < NEWCOMERS && newcomers.first; i++) {
        struct pbuf *p = take(&newcomers);
        if (has_place(p)) {
            shut_out = false;
            handle(p);
        } else {
            put(&newcomers, p);
        }
    }
}

bool net_card_receive(void)
{
    int count = 0;

    net_card_empty_ring();
    let_in();
    for (; count < ROUND && packets.first; net_card_empty_ring()) {
        count++;
        handle(take(&packets));
    }
    shut_out &= !count; /* one of them may have completed a handshake */
    return count;
}

/* --- sending --------------------------------------------------------------------------------- */

/* Short frames are filled up with zeros to Ethernet's least length (IEEE 802.3, 4.2.3.3). */
static err_t send(struct netif *netif, struct pbuf *p)
{
    u16_t length = p->tot_len < FRAME_LEAST ? FRAME_LEAST : p->tot_len;

    (void)netif;
    if (p->tot_len > EXO_PACKET_MAX)
        return ERR_IF;
    if (segments_join(p))
        return ERR_OK;
    uint8_t *to = rings_send_buffer();
    if (!to)
        return ERR_MEM;
    pbuf_copy_partial(p, to, p->tot_len, 0);
    memset(to + p->tot_len, 0, length - p->tot_len);
    segments_send(to, length);
    return ERR_OK;
}

/* --- start ----------------------------------------------------------------------------------- */

static err_t init(struct netif *netif)
{
    memcpy(netif->name, "en", 2);
    netif->output = etharp_output;
    netif->linkoutput = send;
    netif->mtu = EXO_PACKET_MAX - SIZEOF_ETH_HDR;
    netif->hwaddr_len = ETH_HWADDR_LEN;
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET;
    return ERR_OK;
}

bool net_card_open(uint64_t mac, uint32_t count)
{
    rx_buffers = net_memory_zeroed(count, sizeof(*rx_buffers));
    if (!rx_buffers)
        return false;
    rx_buffer_count = count;
    for (uint32_t i = 0; i < count; i++)
        rx_buffers[i].pbuf.custom_free_function = give_back;
    netif_add_noaddr(&net_card, NULL, init, ethernet_input);
    for (int i = 0; i < ETH_HWADDR_LEN; i++)
        net_card.hwaddr[i] = (u8_t)(mac >> (40 - 8 * i));
    set_checks(false);
    netif_set_default(&net_card);
    netif_set_up(&net_card);
    netif_set_link_up(&net_card);
    return true;
}
