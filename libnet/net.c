/* SPDX-License-Identifier: MIT */
/*
 * net.c - the network of this application: its start, its lock, and who does the work.
 *
 *   N1  lwIP, rings and sockets change under net_lock alone; nobody sleeps with it held
 *   N2  while the network thread sleeps the rings are armed, or an event is on its way to it: a
 *       packet or a timer never waits for the application to call, nor does a packet that was taken from
 *       the ring and not handled
 *   N3  what is put into TRANSMIT is kicked before the lock is given up
 *
 * Whoever calls into the network does its work first: poll() and every call that would have to wait
 * look at the rings (net_look), so under load a packet is received, handled and answered in the
 * application's own thread. The network thread does what is left: it wakes when a packet comes to
 * an application that sleeps, and for lwIP's timers. When there is nothing to do all threads sleep
 * and the CPU halts.
 */
#include "net.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lwip/dhcp.h"
#include "lwip/init.h"
#include "lwip/netif.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/timeouts.h"

#include "event.h"
#include "fd.h"
#include "libnet.h"
#include "libos.h"
#include "raw.h"
#include "rings.h"
#include "settings.h"

#define THREAD_STACK (32 * 1024)
#define MS           1000000ull

enum { FUTEX_WAIT = 0, FUTEX_WAKE = 1 };

static bool up;
static uint32_t thread_seen; /* events counted when the network thread last looked */
static bool thread_timers;   /* it then reckoned with the timers of TCP, which run while needed */
static bool news;            /* poll() must look again */

/* --- the lock -------------------------------------------------------------------------------- */

/* 0: free, 1: held, 2: held, and somebody may wait (Drepper, "Futexes are tricky", 2011, section
 * 5). */
static uint32_t lock;

void net_enter(void)
{
    uint32_t was = 0;

    if (__atomic_compare_exchange_n(&lock, &was, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        return;
    while (__atomic_exchange_n(&lock, 2, __ATOMIC_ACQUIRE) != 0)
        futex_call(&lock, FUTEX_WAIT, 2, 0, false, 0);
}

/* Wake the network thread if it sleeps with something to do: a first connection started TCP's timers,
 * sooner than it meant to wake, or more packets were there than a look handles. */
static void wake_for_rest(void)
{
    bool timers = !thread_timers && (tcp_active_pcbs || tcp_tw_pcbs);
    bool packets = net_card_waiting() && event_count() == thread_seen;

    if (!timers && !packets)
        return;
    thread_timers |= timers;
    net_wake(&libos_queue_events);
}

/* What we sent to ourselves. Every call looks more than once, and lwIP's netif_poll_all() takes a
 * hundred instructions to find nothing. */
static void receive_own(void)
{
    for (struct netif *netif = netif_list; netif; netif = netif->next)
        if (netif->loop_first)
            netif_poll(netif);
}

static void leave(void)
{
    receive_own();
    rings_kick();
    bool tell = news;
    news = false;
    if (__atomic_exchange_n(&lock, 0, __ATOMIC_RELEASE) == 2)
        futex_call(&lock, FUTEX_WAKE, 1, 0, false, 0);
    if (tell)
        fd_changed();
}

void net_leave(void)
{
    net_card_empty_ring(); /* for what comes while the application computes */
    wake_for_rest();
    leave();
}

void net_news(void)
{
    news = true;
}

long net_sleep(uint32_t *word, uint32_t seen, uint64_t deadline)
{
    uint64_t now = deadline ? time_ns() : 0;

    if (deadline && now >= deadline)
        return -ETIMEDOUT;
    net_leave();
    long result = futex_call(word, FUTEX_WAIT, seen, deadline - now, deadline != 0, 0);
    net_enter();
    return result == -ETIMEDOUT ? result : 0;
}

void net_wake(uint32_t *word)
{
    __atomic_add_fetch(word, 1, __ATOMIC_SEQ_CST);
    futex_call(word, FUTEX_WAKE, INT32_MAX, 0, false, 0);
}

/* --- work ------------------------------------------------------------------------------------ */

void net_look(void)
{
    /* An event that the network thread has yet to see makes it look when it runs; until then more
     * of them would only interrupt us. */
    if (event_count() != thread_seen)
        rings_disarm();
    net_card_receive();
    receive_own();
    sys_check_timeouts();
    if (rings_reap()) {
        tcp_txnow();
        net_sockets_room();
    }
    rings_kick();
}

static void look_before_wait(void)
{
    net_enter();
    net_look();
    net_leave();
}

/* How long until lwIP has something to do, in ns. */
static uint64_t next_timer(void)
{
    uint32_t ms = sys_timeouts_sleeptime();

    return ms ? ms * MS : 1;
}

bool net_round(uint32_t *seen, uint64_t *timeout)
{
    net_enter();
    *seen = thread_seen = event_count();
    net_look();
    *timeout = next_timer();
    thread_timers = tcp_active_pcbs || tcp_tw_pcbs;
    rings_arm();
    bool more = rings_news() || net_card_waiting();
    leave();
    return more;
}

static void *network_thread(void *unused)
{
    uint32_t seen;
    uint64_t timeout;

    (void)unused;
    strcpy(thread_current->name, "network");
    for (;;) {
        if (net_round(&seen, &timeout))
            sched_yield(); /* others first: a flood must not stop the application */
        else
            event_wait(seen, timeout);
    }
    return NULL;
}

/* --- what lwIP asks for ---------------------------------------------------------------------- */

uint32_t sys_now(void)
{
    return (uint32_t)(time_ns() / MS);
}

uint32_t net_random(void)
{
    uint32_t value;

    random_bytes(&value, sizeof(value));
    return value;
}

void net_assertion_failed(const char *what, const char *file, int line)
{
    console_printf("lwIP found itself in a state that cannot be (%s:%d): %s\n", file, line, what);
    abort();
}

/* --- start ----------------------------------------------------------------------------------- */

static void tell_address(struct netif *netif)
{
    char address[16], netmask[16], gateway[16];

    if (ip4_addr_isany(netif_ip4_addr(netif))) {
        console_printf("network: no address any more\n");
        return;
    }
    ip4addr_ntoa_r(netif_ip4_addr(netif), address, sizeof(address));
    ip4addr_ntoa_r(netif_ip4_netmask(netif), netmask, sizeof(netmask));
    ip4addr_ntoa_r(netif_ip4_gw(netif), gateway, sizeof(gateway));
    console_printf("network: address %s, netmask %s, gateway %s, MAC "
                   "%02x:%02x:%02x:%02x:%02x:%02x\n",
                   address, netmask, ip4_addr_isany(netif_ip4_gw(netif)) ? "none" : gateway,
                   netif->hwaddr[0], netif->hwaddr[1], netif->hwaddr[2], netif->hwaddr[3],
                   netif->hwaddr[4], netif->hwaddr[5]);
}

/* Data in flight may take half of what the quota still has, lwIP's objects a quarter: the application's
 * heap comes out of it, too. */
static void set_limits(size_t wanted)
{
    int64_t max = exo_info(EXO_INFO_ENV, EXO_ENV_SELF, EXO_ENV_QUOTA + EXO_R_PAGES);
    int64_t used = exo_info(EXO_INFO_ENV, EXO_ENV_SELF, EXO_ENV_USED + EXO_R_PAGES);
    size_t left = max > used ? (size_t)(max - used) * EXO_PAGE_SIZE : 0;

    net_memory_limit = MIN(wanted, left / 2);
    net_pools_limit = MIN(wanted, left / 4);
    net_window_set(net_memory_limit);
}

/* Locked. NULL or why not. */
static const char *start(const struct net_settings *settings)
{
    uint64_t mac = libos_start_info->mac;

    net_isn_init();
    lwip_init();
    const char *why = rings_open(settings->rx_buffers, settings->tx_buffers);
    if (why)
        return why;
    set_limits(settings->memory);
    if (net_memory_limit < NET_MEMORY_LEAST)
        return "its quota of memory leaves too little for data in flight: raise `memory` in the "
               "machine description, or lower FREEHOLD_NET_BUFFERS";
    if (!net_card_open(mac, settings->rx_buffers))
        return "memory is out";
    netif_set_hostname(&net_card, libos_name());
    netif_set_status_callback(&net_card, tell_address);
    net_ip6_start(settings);
    if (settings->dhcp) {
        console_printf("network: asking for an address by DHCP\n");
        return dhcp_start(&net_card) == ERR_OK ? NULL : "DHCP cannot be started";
    }
    const ip4_addr_t address = {lwip_htonl(settings->address)};
    const ip4_addr_t netmask = {lwip_htonl(settings->netmask)};
    const ip4_addr_t gateway = {lwip_htonl(settings->gateway)};
    netif_set_addr(&net_card, &address, &netmask, &gateway);
    return NULL;
}

static const char *start_thread(void)
{
    pthread_attr_t attributes;
    pthread_t thread;

    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, THREAD_STACK);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    return pthread_create(&thread, &attributes, network_thread, NULL) == 0
               ? NULL
               : "its thread cannot be started";
}

/* Before main(). The linker is told of this name, so that the archive gives it. */
__attribute__((constructor)) void libnet_start(void);

void libnet_start(void)
{
    const struct net_settings_text text = {
        libos_setting("FREEHOLD_ADDRESS"),     libos_setting("FREEHOLD_GATEWAY"),
        libos_setting("FREEHOLD_NET_BUFFERS"), libos_setting("FREEHOLD_NET_MEMORY"),
        libos_setting("FREEHOLD_ADDRESS6"),    libos_setting("FREEHOLD_GATEWAY6")};
    struct net_settings settings;
    char wrong[160];
    const char *why = NULL;

    if (!text.address)
        why = "FREEHOLD_ADDRESS is not set; give the application an `address`";
    else if (!net_settings_read(&text, &settings, wrong, sizeof(wrong)))
        why = wrong;
    else if (!libos_start_info->mac)
        why = "the machine description allows it no MAC";
    if (!why) {
        net_enter();
        why = start(&settings);
        net_leave();
    }
    if (!why)
        why = start_thread();
    if (why) {
        console_printf("no network: %s\n", why);
        return;
    }
    up = true;
    net_sockets_init();
    fd_before_wait = look_before_wait;
}

/* --- counters -------------------------------------------------------------------------------- */

static uint32_t count_pcbs(const struct tcp_pcb *pcb)
{
    uint32_t count = 0;

    for (; pcb; pcb = pcb->next)
        count++;
    return count;
}

#define KERNEL(field) rings_kernel_counter(offsetof(struct exo_queue_stats, field))

void net_stats_entered(struct net_stats *s)
{
    *s = (struct net_stats){.up = up};
    memcpy(s->mac, net_card.hwaddr, sizeof(s->mac));
    ip4addr_ntoa_r(netif_ip4_addr(&net_card), s->address, sizeof(s->address));
    ip4addr_ntoa_r(netif_ip4_netmask(&net_card), s->netmask, sizeof(s->netmask));
    ip4addr_ntoa_r(netif_ip4_gw(&net_card), s->gateway, sizeof(s->gateway));
    s->rx_packets = rings_stats.rx_packets;
    s->rx_bytes = rings_stats.rx_bytes;
    s->rx_malformed = net_card_stats.rx_malformed;
    s->rx_foreign = net_card_stats.rx_foreign;
    s->rx_copied = net_card_stats.rx_copied;
    s->rx_no_memory = net_card_stats.rx_no_memory;
    s->rx_dropped = KERNEL(rx_dropped);
    s->tx_packets = rings_stats.tx_packets;
    s->tx_bytes = rings_stats.tx_bytes;
    s->tx_full = rings_stats.tx_full;
    s->tx_refused = rings_stats.tx_refused;
    s->kicks = rings_stats.kicks;
    s->local = KERNEL(local);
    s->udp_dropped = net_udp_dropped;
    rings_count(&s->rx_buffers, &s->tx_buffers);
    s->rx_held = s->rx_buffers - rings_posted();
    s->tx_flying = rings_flying();
    s->memory_used = (uint32_t)net_memory_used;
    s->memory_limit = (uint32_t)net_memory_limit;
    s->sockets = net_sockets_open;
    s->tcp_active = count_pcbs(tcp_active_pcbs);
    s->tcp_waiting = count_pcbs(tcp_tw_pcbs);
}

void net_stats(struct net_stats *s)
{
    net_enter();
    net_stats_entered(s);
    net_leave();
}
