/* SPDX-License-Identifier: MIT */
/*
 * group.c - packets to a group (broadcast, multicast) on their way to the queues that hear them.
 *
 *   GP1  however many hear a packet, it is copied once, and delivered to at most GROUP_STEPS of them
 *        between two visits of the kernel's loop (nic_carry): no call delivers what it sends, and an
 *        interrupt no more than that
 *   GP2  `next` is a queue that hears the card's groups, or none, whoever comes and goes meanwhile;
 *        while there is anything to do, the card's `carrying` is set           inv_group_under_way
 *   GP3  a card has two places, so that who sends much keeps out nothing that comes in, nor the other
 *        way. What comes in while one is taken is counted and dropped. What an application sends waits
 *        in its ring, and the loop gives the place to those who wait in turn: nobody who sends much
 *        keeps others from sending
 */
#include "env.h"
#include "packet_filter.h"
#include "packet_queue.h"
#include "processor.h"

struct group groups[GROUPS];

static void carry(struct group *g)
{
    const struct piece piece = {.memory = g->packet, .length = g->length};
    const struct packet p = {g->packet, 0, g->length, 1, g->flags, &piece};

    for (; g->next && g->steps; g->steps--) {
        struct queue *q = &queues[g->next - 1];
        g->next = q->hears.next;
        if (q != g->from && !queue_ended(q) && filter_hears(q, &g->tuple))
            queue_receive(q, &p);
    }
}

bool group_start(struct nic *nic, const struct queue *from, const struct exo_tuple *tuple,
                 const struct packet *packet)
{
    struct group *g = &groups[2 * nic->number + (from != NULL)];

    nic->carrying = nics_busy = true;
    if (from)
        env_stir(
            &envs[from->owner]); /* no call ends without the loop when there is something for it */
    if (g->next)
        return false;
    g->next = filter_hearers[nic->number].first;
    g->from = from;
    g->tuple = *tuple;
    g->flags = packet->flags;
    g->length = packet->length;
    __builtin_memcpy(g->packet, packet->piece->memory, packet->length);
    __builtin_memcpy(g->packet, packet->head, packet->head_length);
    carry(g);
    return true;
}

bool nic_carry(struct nic *nic)
{
    struct group *received = &groups[2 * nic->number], *sent = received + 1;

    received->steps = sent->steps = GROUP_STEPS;
    carry(received);
    carry(sent);
    sent->steps = 0; /* the place stays taken, so that nobody gets it out of turn */
    if (!sent->next && nic->waiting.some) {
        nic->turn = set_after(&nic->waiting, nic->turn);
        set_remove(&nic->waiting, nic->turn);
        struct queue *q = &queues[nic->turn];
        if (!queue_ended(q)) {
            queue_send(q, 1);
            env_pend(&envs[q->owner], EXO_UP_QUEUE);
        }
    }
    return nic->carrying = received->next || sent->next || nic->waiting.some;
}
