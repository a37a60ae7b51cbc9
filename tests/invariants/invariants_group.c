/* SPDX-License-Identifier: MIT */
/* invariants_group.c - the invariants of group.c. */
#include "env.h"
#include "invariants.h"
#include "nic.h"
#include "packet_filter.h"
#include "packet_queue.h"

#define REQUIRE(condition, sentence)                                                               \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return sentence;                                                                       \
    } while (0)

static const char *check_packet(const struct nic *nic, const struct group *g)
{
    REQUIRE(g->steps <= GROUP_STEPS, "a packet to a group may go further than one look allows");
    if (!g->next)
        return NULL;
    REQUIRE(nic->carrying, "a packet to a group is under way and nobody carries it on");
    REQUIRE(g->next <= queue_count && queues[g->next - 1].filters.first &&
                queues[g->next - 1].nic == nic->number,
            "a packet to a group is on its way to a queue that hears no groups of its card");
    REQUIRE(g->length >= EXO_PACKET_MIN && g->length <= EXO_PACKET_MAX,
            "a packet to a group has an impossible length");
    return NULL;
}

const char *inv_group_under_way(void)
{
    for (uint32_t n = 0; n < nic_count; n++) {
        const struct nic *nic = nics[n];
        const struct group *sent = &groups[2 * n + 1];
        REQUIRE(nic->number == n, "a card has another's number");
        const char *wrong = check_packet(nic, &groups[2 * n]);
        REQUIRE(!wrong, wrong);
        wrong = check_packet(nic, sent);
        REQUIRE(!wrong, wrong);
        REQUIRE(!groups[2 * n].from, "what came by the wire has a sender here");
        REQUIRE(!sent->steps, "a call may deliver to a group");
        REQUIRE(!nic->waiting.some || nic->carrying,
                "a queue waits to send to a group and nobody gives it its turn");
        for (uint32_t i = 0; i < queue_count; i++)
            REQUIRE(!set_has(&nic->waiting, i) || (queues[i].owner && queues[i].nic == n),
                    "a queue waits to send to a group of a card that is not its own");
    }
    return NULL;
}
