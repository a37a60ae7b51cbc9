/* SPDX-License-Identifier: MIT */
/* channel.c - bytes to and from the outside, for the first environment alone. */
#include "mock.h"

#include <string.h>

static void arrive(const char *text)
{
    memcpy(mock_arrived + mock_arrived_count, text, strlen(text));
    mock_arrived_count += (uint32_t)strlen(text);
    channel_arrived();
}

/* Does one call bring exactly these bytes? */
static bool reads(struct env *env, const char *text)
{
    int64_t result = CALL(env, CHANNEL_READ);

    return result >= 0 && (uint64_t)result >> 56 == strlen(text) &&
           !memcmp(&result, text, strlen(text));
}

static void test_read(void)
{
    struct env *init = mock_boot(), *child = mock_child(init, 5, true);

    REFUSED(EMPTY, CALL(init, CHANNEL_READ), "nothing has come");
    REFUSED(OWNER, CALL(child, CHANNEL_READ), "a child reads");
    init->pending = child->pending = 0;
    arrive("list\nagain\xff");
    tap_ok(init->pending == EXO_UP_CHANNEL && !child->pending, "who owns it is told, nobody else");
    REFUSED(OWNER, CALL(child, CHANNEL_READ), "a child reads what has come");
    tap_ok(mock_arrived_count == 11, "and takes nothing");
    tap_ok(reads(init, "list\nag") && reads(init, "ain\xff"), "seven bytes at a time, in order");
    REFUSED(EMPTY, CALL(init, CHANNEL_READ), "all is read");
}

/* Bytes may come before there is anybody to tell. */
static void test_early(void)
{
    const struct env *init = mock_boot();
    env_t owner = channel_owner;
    uint32_t pending = init->pending;

    channel_owner = (env_t){0};
    arrive("early");
    channel_owner = owner;
    tap_ok(mock_arrived_count == 5 && init->pending == pending, "what comes early waits");
}

static void test_write(void)
{
    struct env *init = mock_boot(), *child = mock_child(init, 5, true);
    uint64_t word[2];

    memcpy(word, "0123456789abcdef", sizeof(word));
    REFUSED(OWNER, CALL(child, CHANNEL_WRITE, 1, word[0], word[1]), "a child writes");
    REFUSED(RANGE, CALL(init, CHANNEL_WRITE, 17, word[0], word[1]), "more than two words hold");
    tap_ok(CALL(init, CHANNEL_WRITE, 0) == 0 && mock_left_count == 0, "nothing can be written");
    tap_ok(CALL(init, CHANNEL_WRITE, 16, word[0], word[1]) == 16 &&
               CALL(init, CHANNEL_WRITE, 3, word[0], word[1]) == 3 && mock_left_count == 19 &&
               !memcmp(mock_left, "0123456789abcdef012", 19),
           "so many bytes as were said");
    CALL(init, CHANNEL_WRITE, 16, word[0], word[1]);
    tap_ok(CALL(init, CHANNEL_WRITE, 16, word[0], word[1]) == MOCK_ARRIVED - 35 &&
               CALL(init, CHANNEL_WRITE, 16, word[0], word[1]) == 0,
           "a port that is full takes what it can, then nothing");
}

static void test_absent(void)
{
    struct env *init = mock_boot();

    mock_no_channel = true;
    REFUSED(EMPTY, CALL(init, CHANNEL_READ), "read from a port that is not");
    REFUSED(EMPTY, CALL(init, CHANNEL_WRITE, 0), "write to a port that is not");
}

/* Whoever has the slot, or no parent, of the owner that is gone is not the owner. */
static void test_owner_gone(void)
{
    struct env *init = mock_boot(), *child = mock_child(init, 5, true);

    CALL(init, ENV_KILL, EXO_ENV_SELF, 0);
    tap_ok(child->parent.n && !inv_all(), "the owner is gone, and its child still names it");
    init->pending = child->pending = 0;
    arrive("kill www\n");
    tap_ok(!init->pending && !child->pending, "nobody is told of what comes");
    REFUSED(OWNER, CALL(child, CHANNEL_READ), "an orphan reads");
    REFUSED(OWNER, CALL(child, CHANNEL_WRITE, 1), "an orphan writes");
}

int main(void)
{
    test_read();
    test_early();
    test_write();
    test_absent();
    test_owner_gone();
    return tap_done();
}
