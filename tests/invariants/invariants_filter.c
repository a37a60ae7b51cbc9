/* SPDX-License-Identifier: MIT */
/* invariants_filter.c - the invariants of filter.c, everything counted anew. */
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

static bool is_used(uint32_t n)
{
    return filters[n].match.mask.mac;
}

/* Each place's list: who is in it, and how many. */
static const char *check_places(uint32_t used)
{
    uint32_t seen = 0;

    for (uint32_t place = 0; place < FILTER_PLACES; place++) {
        uint32_t before = 0, length = 0;
        for (uint32_t n = filter_places[place].first; n; n = filters[n].place.next) {
            REQUIRE(n < EXO_FILTERS && is_used(n), "the hash names a free filter");
            REQUIRE(filters[n].place.prev == before, "a list of the hash is broken");
            REQUIRE(++length <= FILTERS_BUCKET, "too many filters share a place in the hash");
            before = n;
        }
        REQUIRE(filter_places[place].last == before, "a list of the hash has a wrong end");
        seen += length;
    }
    REQUIRE(seen == used, "the hash misses a filter");
    for (uint32_t n = 1; n <= filters_touched; n++) {
        const struct queue *found = filter_find(filters[n].nic, &filters[n].match.value);
        const struct queue *q = &queues[filters[n].queue];
        REQUIRE(!is_used(n) || found == (queue_ended(q) ? NULL : q),
                "a packet does not find whose filter asks for it, or finds the dead");
    }
    return NULL;
}

static const char *check_queue(uint32_t i, uint32_t *seen)
{
    const struct queue *q = &queues[i];
    uint32_t elder = 0, length = 0;

    for (uint32_t n = q->filters.first; n; n = filters[n].sister.next) {
        REQUIRE(n < EXO_FILTERS && is_used(n), "a queue has a free filter");
        REQUIRE(filters[n].queue == i && filters[n].nic == q->nic, "a queue has another's filter");
        REQUIRE(filters[n].sister.prev == elder, "a queue's list of filters is broken");
        REQUIRE(++length <= EXO_FILTERS_QUEUE, "a queue has too many filters");
        elder = n;
    }
    REQUIRE(q->filters.last == elder, "a queue's list of filters has a wrong end");
    REQUIRE(q->owner || !length, "a free queue has filters");
    REQUIRE(q->filter_count == length, "a queue's count of filters is wrong");
    *seen += length;
    return NULL;
}

/* Who hears what comes to a group: the queues with a filter, each once. */
static const char *check_hearers(void)
{
    uint32_t heard = 0;

    for (uint32_t nic = 0; nic < NICS; nic++) {
        uint32_t before = 0;
        for (uint32_t next = filter_hearers[nic].first; next;) {
            const struct queue *q = &queues[next - 1];
            REQUIRE(q->nic == nic && q->filters.first, "a queue without a filter hears groups");
            REQUIRE(q->hears.prev == before && heard <= EXO_QUEUES,
                    "a list of who hears groups is broken");
            heard++;
            before = next;
            next = q->hears.next;
        }
        REQUIRE(filter_hearers[nic].last == before, "a list of who hears groups has a wrong end");
    }
    for (uint32_t i = 0; i < queue_count; i++)
        heard -= queues[i].filters.first != 0;
    REQUIRE(!heard, "a queue with a filter does not hear groups");
    return NULL;
}

const char *inv_filter_lists(void)
{
    uint32_t used = 0, seen = 0, free = 0, owned[EXO_ENVS] = {0};

    REQUIRE(!is_used(0) && filters_touched < EXO_FILTERS, "a filter lies where none may be");
    for (uint32_t n = 1; n <= filters_touched; n++) {
        used += is_used(n);
        if (is_used(n))
            owned[queues[filters[n].queue].owner]++;
    }
    for (uint32_t n = filters_free.first; n; n = filters[n].place.next)
        REQUIRE(n <= filters_touched && !is_used(n) && ++free <= EXO_FILTERS,
                "the list of free filters is broken");
    REQUIRE(used + free == filters_touched, "a filter is neither used nor free");
    for (uint32_t i = 0; i < queue_count; i++) {
        const char *wrong = check_queue(i, &seen);
        REQUIRE(!wrong, wrong);
    }
    REQUIRE(seen == used, "a filter is no queue's");
    for (uint32_t slot = 0; slot < env_count; slot++)
        REQUIRE(envs[slot].used[EXO_R_FILTERS] == owned[slot],
                "an environment's count of filters is not the number of its filters");
    const char *wrong = check_hearers();
    return wrong ? wrong : check_places(used);
}

const char *inv_filter_disjoint(void)
{
    for (uint32_t a = 1; a <= filters_touched; a++)
        for (uint32_t b = 1; b < a && is_used(a); b++)
            REQUIRE(!is_used(b) || filters[a].nic != filters[b].nic ||
                        !filter_overlaps(&filters[a].match, &filters[b].match),
                    "two filters of one card match the same packet");
    return NULL;
}

const char *inv_filter_allowed(void)
{
    for (uint32_t n = 1; n <= filters_touched; n++) {
        if (!is_used(n))
            continue;
        REQUIRE(filter_canonical(&filters[n].match, false), "a filter is not canonical");
        REQUIRE(filter_allowed(&envs[queues[filters[n].queue].owner], &filters[n].match),
                "a filter lies outside what its owner may bind");
    }
    for (uint32_t slot = 1; slot < env_count; slot++) {
        const struct env *env = &envs[slot];
        REQUIRE(env->allowances <= EXO_ALLOWANCES, "an environment has too many allowances");
        for (uint32_t i = 0; i < env->allowances; i++) {
            REQUIRE(filter_canonical(&env->allow[i], true), "an allowance is not canonical");
            REQUIRE(!env->parent.n ||
                        filter_allowed(&envs[EXO_ENV_SLOT(env->parent.n)], &env->allow[i]),
                    "an environment may bind what its parent may not");
        }
    }
    return NULL;
}
