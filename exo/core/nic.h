/* SPDX-License-Identifier: MIT */
/*
 * nic.h - the interface between queues (core) and NIC drivers (exo/dev).
 *
 * A driver owns its device's rings and a pool of kernel receive buffers; the
 * device reaches nothing else to write. It looks into a packet only to tell the card
 * where the headers are (takes). All functions run with interrupts off.
 */
#ifndef EXO_CORE_NIC_H
#define EXO_CORE_NIC_H

#include "ring.h"
#include "set.h"

#define NICS       4u
#define NIC_HEADER 128u /* bytes of a packet that are checked in and sent from kernel memory */

/* A packet on its way, in one piece for each buffer. Of the first piece the first bytes count as they are
 * in `head`, in kernel memory. */
struct packet {
    const uint8_t *head;
    uint32_t head_length, length; /* NIC_HEADER at most; of all of it */
    uint16_t count;               /* of pieces: 1 to EXO_PACKET_BUFFERS */
    uint16_t flags;               /* EXO_DESC_CHECKSUM, EXO_DESC_SEGMENT */
    const struct piece {
        const uint8_t *memory;
        uint64_t address; /* as the card sees it, of one to send */
        uint32_t length, cookie;
    } * piece;
};

struct nic {
    const char *name; /* at most 8 characters */
    uint32_t number;  /* in nics[] */
    uint64_t mac;
    bool link;
    uint8_t offloads; /* EXO_OFFLOAD_... */
    uint64_t interrupts;
    uint64_t unmatched;
    uint64_t crowded; /* packets to groups that came while another was under way */
    /* The core's: */
    struct set stalled; /* queues that met it full and want to hear when there is room */
    struct set waiting; /* queues with a packet to a group, while another is being delivered */
    uint32_t turn;      /* the last of them that got its turn */
    bool carrying;      /* packets to groups are under way: call nic_carry */
    uint64_t window;    /* behind an IOMMU: see dma_map; else 0, and addresses are physical */

    /* Does it offer what the flags of the packet, which is in its length, ask for, and do they fit what
     * the head says? Asked if there are flags or several pieces, and some `offloads`. */
    bool (*takes)(struct nic *nic, const struct packet *packet);

    /* Room for at least one more packet of so many pieces to send? Before it says no, it looks for what
     * the device has sent meanwhile, nic_sent for each; if it says no, nic_sent will tell when there is. */
    bool (*send_ready)(struct nic *nic, uint32_t pieces);

    /*
     * Send a packet whose head is copied by the driver now, and whose pieces the device reads where they
     * are until nic_sent(nic, cookie) for each of them. Needs send_ready(), and takes() of this
     * packet last.
     */
    void (*send)(struct nic *nic, const struct packet *packet);

    /*
     * Tell the device of packets given to send() since the last time, and collect what it has sent:
     * nic_sent for each. What it sends later may go unnoticed until the next call of flush, or of
     * poll, or until send_ready finds no room, unless `await` says that somebody waits for it.
     */
    void (*flush)(struct nic *nic, bool await);

    /*
     * Collect what the device has done, at most a fixed number of packets a call: nic_received and
     * nic_sent for each. True if it stopped at that number. Called from the interrupt handler
     * and the machine's loop: an application that sends does not make others' packets come in.
     */
    bool (*poll)(struct nic *nic);

    /* No interrupts while `on`; after it, what came meanwhile may not raise one: poll once more. */
    void (*quiet)(struct nic *nic, bool on);
};

extern struct nic *nics[NICS];
extern uint32_t nic_count;

/* Some card is `carrying`, or is polled, or its faults rest: there is something to do for the machine's
 * loop (exo/dev/nics.c), which else need not look. */
extern bool nics_busy;

/* For drivers' interrupt handlers: poll, and come back if there is more (exo/dev/nics.c). */
void nic_interrupt(struct nic *nic);

/*
 * exo/dev/dma.c: the card may read `frame`, number `index` of a queue's buffer frames. Behind an IOMMU, that is at the address nic->window +
 * (queue * EXO_QUEUE_FRAMES + index) * EXO_PAGE_SIZE from now on.
 */
void dma_map(const struct nic *nic, uint32_t queue, uint32_t index, frame_t frame);
/* The card reaches none of the queue's frames when this returns. */
void dma_unmap(const struct nic *nic, uint32_t queue);

/* Up-calls of drivers into the core (queue.c). */
void nic_received(struct nic *nic, const struct packet *packet);
void nic_sent(struct nic *nic, uint32_t cookie);

/* Carry on with packets to groups (group.c) if the card is `carrying`; a bounded number of steps, true
 * if there is more to do. */
bool nic_carry(struct nic *nic);

#endif
