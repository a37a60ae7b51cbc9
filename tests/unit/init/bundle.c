/* SPDX-License-Identifier: MIT */
/*
 * bundle.c - init's check of a bundle against good, broken and random ones.
 *
 * Each bundle lies in a buffer of exactly its size, so that the address sanitizer sees any byte
 * read outside of it. Whatever is accepted keeps what bundle.h promises.
 */
#include <stdlib.h>
#include <string.h>

#include "../tap.h"
#include "bundle_check.h"
#include "promises.h"
#include "start.h"

enum { APPS = 3, ROUNDS = 300000, IMAGE_SIZE = 104 };

/* Three applications with strings; the images follow on a page of their own if there are any. */
struct small {
    struct bundle_header header;
    struct bundle_app apps[APPS];
    char strings[64];
    struct exo_filter allow[APPS]; /* a multiple of 8 from the start */
};
struct large {
    struct small small;
    char gap[EXO_PAGE_SIZE - sizeof(struct small)];
    char image[IMAGE_SIZE];
};

static const char strings[] = "www\0-v\0A=1\0echo\0B=2\0C=3\0x";

static void seal(void *bundle)
{
    struct bundle_header *header = bundle;

    header->crc = bundle_crc(bundle, header->size);
}

static void make_small(struct small *b)
{
    static const struct bundle_app apps[APPS] = {
        {"www", 0, 0, 0, 11, 2, 1, 512, 8, BUNDLE_ANY_CPU, 1, BUNDLE_ON_FAILURE, 0, 0x525400000001,
         0, 2, 0, 0, 1},
        {"echo", 0, 0, 11, 13, 1, 2, 512, 4, 1, 1, BUNDLE_ALWAYS, 3, 0x525400000002,
         2 * sizeof(struct exo_filter), 1, 0, 0, 1},
        {"abcdefghij-1234", 0, 0, 24, 2, 1, 0, 100, 63, 0, 0, BUNDLE_NEVER, 0, 0, 0, 0, 0, 0, 1},
    };

    memset(b, 0, sizeof(*b));
    b->header =
        (struct bundle_header){BUNDLE_MAGIC, BUNDLE_VERSION, APPS, sizeof(*b), 0, 0, "test"};
    memcpy(b->apps, apps, sizeof(apps));
    memcpy(b->strings, strings, sizeof(strings));
    for (int i = 0; i < APPS; i++)
        b->apps[i].strings_offset += offsetof(struct small, strings);
    for (int i = 0; i < APPS; i++) {
        b->apps[i].allow_offset += offsetof(struct small, allow);
        b->allow[i].mask.mac = EXO_MAC_ALL;
        b->allow[i].value.mac = i < 2 ? apps[0].mac : apps[1].mac;
    }
    seal(b);
}

static void make_large(struct large *b)
{
    memset(b, 0, sizeof(*b));
    make_small(&b->small);
    b->small.header.size = sizeof(*b);
    for (int i = 0; i < APPS; i++) {
        b->small.apps[i].image_offset = offsetof(struct large, image);
        b->small.apps[i].image_size = IMAGE_SIZE;
    }
    memset(b->image, 0x90, sizeof(b->image));
    seal(b);
}

/* Check a copy of `bundle` that ends with its buffer. What it says; *at as bundle_check tells. */
static const char *judge(const void *bundle, uint64_t size, uint32_t *at)
{
    /* One byte of room in front: malloc(0) might give a byte behind. */
    char *room = malloc(size + 16), *copy = room + 16;

    memcpy(copy, bundle, size);
    *at = 1234;
    const char *wrong = bundle_check(copy, size, at);
    if (!wrong && !inv_bundle(copy))
        wrong = "BROKEN PROMISE";
    if (*at > BUNDLE_APPS || (!wrong && *at != BUNDLE_APPS))
        wrong = "WRONG PLACE";
    free(room);
    return wrong;
}

/* CRC-32 as the standard has it (IEEE 802.3, 3.2.9), a bit at a time. */
static uint32_t plain_crc(const struct large *bundle, uint64_t size)
{
    struct large copy = *bundle;
    uint32_t crc = UINT32_MAX;

    copy.small.header.crc = 0;
    for (uint64_t i = 0; i < 8 * size; i++) {
        uint32_t bit = ((const uint8_t *)&copy)[i / 8] >> i % 8 & 1;
        crc = crc >> 1 ^ ((crc ^ bit) & 1 ? 0xedb88320 : 0);
    }
    return ~crc;
}

static void test_good(void)
{
    static struct small small;
    static struct large large;
    uint32_t at;

    make_small(&small);
    tap_ok(!judge(&small, sizeof(small), &at), "a bundle without images is accepted");
    make_large(&large);
    tap_ok(!judge(&large, sizeof(large), &at), "a bundle with images is accepted");
    small.header.apps = 0;
    seal(&small);
    tap_ok(!judge(&small, sizeof(small), &at), "a bundle of no application is accepted");
    struct bundle_header only = {
        BUNDLE_MAGIC, BUNDLE_VERSION, 0, sizeof(only), 0, 0, "1234567890123456789012345678901"};
    seal(&only);
    tap_ok(!judge(&only, sizeof(only), &at), "a header alone is accepted, its name full");
    make_large(&large);
    tap_ok(bundle_crc(&large, sizeof(large)) == plain_crc(&large, sizeof(large)),
           "the checksum is the CRC-32 of IEEE 802.3, its own word taken as zero");
}

static void test_truncated(void)
{
    static struct large large;
    uint32_t at, refused = 0, kept = 0;

    make_large(&large);
    for (uint64_t size = 0; size < sizeof(large); size++)
        refused += judge(&large, size, &at) != NULL;
    tap_ok(refused == sizeof(large), "a bundle cut off anywhere is refused");
    /* Whoever cuts it may also mend size and checksum. */
    for (uint64_t size = sizeof(struct bundle_header); size < sizeof(large); size++) {
        large.small.header.size = size;
        seal(&large);
        const char *wrong = judge(&large, size, &at);
        kept += !wrong || !strstr(wrong, "lies outside");
        if (!wrong || wrong[0] == 'B' || wrong[0] == 'W')
            break;
    }
    const uint32_t apps_end = sizeof(struct bundle_header) + APPS * sizeof(struct bundle_app);
    tap_ok(kept == apps_end - sizeof(struct bundle_header),
           "one that was cut and sealed again is refused for what is missing");
}

static void test_flipped(void)
{
    static struct large large;
    uint32_t at, accepted = 0;

    make_large(&large);
    for (uint64_t byte = 0; byte < sizeof(large); byte++)
        for (unsigned bit = 0; bit < 8; bit++) {
            /* Images are long and all alike: every 16th byte of the gap will do. */
            if (byte > sizeof(struct small) && byte % 16 && byte < offsetof(struct large, image))
                continue;
            ((uint8_t *)&large)[byte] ^= 1u << bit;
            accepted += !judge(&large, sizeof(large), &at);
            ((uint8_t *)&large)[byte] ^= 1u << bit;
        }
    tap_ok(accepted == 0, "no bundle with a flipped bit is accepted");
}

/* --- each field, with the checksum mended --------------------------------------------------- */

#define ATTACK(name, change)                                                                       \
    static void name(struct large *b)                                                              \
    {                                                                                              \
        struct bundle_header *h = &b->small.header;                                                \
        struct bundle_app *a = &b->small.apps[1];                                                  \
        (void)h, (void)a;                                                                          \
        change;                                                                                    \
    }

ATTACK(magic, h->magic ^= 1)
ATTACK(version, h->version = BUNDLE_VERSION + 1)
ATTACK(flags, h->flags = 2)
ATTACK(version_0, h->version = 0)
ATTACK(size_more, h->size++)
ATTACK(size_max, h->size = UINT64_MAX)
ATTACK(size_0, h->size = 0)
ATTACK(size_63, h->size = sizeof(*h) - 1)
ATTACK(apps_many, h->apps = BUNDLE_APPS + 1)
ATTACK(apps_max, h->apps = UINT32_MAX)
ATTACK(apps_wrap, h->apps = UINT32_MAX / sizeof(struct bundle_app) + 1)
ATTACK(apps_next, h->apps = APPS + 1)
ATTACK(machine_none, h->machine[0] = 0)
ATTACK(machine_end, memset(h->machine, 'x', sizeof(h->machine)))
ATTACK(machine_line, h->machine[2] = '\n')
ATTACK(name_empty, memset(a->name, 0, sizeof(a->name)))
ATTACK(name_no_end, memset(a->name, 'x', sizeof(a->name)))
ATTACK(name_capital, a->name[0] = 'E')
ATTACK(name_high, a->name[1] = (char)0xe4)
ATTACK(name_bracket, a->name[1] = ']')
ATTACK(name_twice, strcpy(a->name, "www"))
ATTACK(name_init, strcpy(a->name, "init"))
ATTACK(name_exo, strcpy(a->name, "exo"))
ATTACK(name_uefi, strcpy(a->name, "uefi"))
ATTACK(image_odd, a->image_offset++)
ATTACK(image_far, a->image_offset = 1u << 30)
ATTACK(image_end, a->image_offset = 2 * EXO_PAGE_SIZE)
ATTACK(image_max, a->image_offset = UINT64_MAX - (EXO_PAGE_SIZE - 1))
ATTACK(image_long, a->image_size++)
ATTACK(image_size_max, a->image_size = UINT64_MAX)
ATTACK(image_size_wrap, a->image_size = UINT64_MAX - EXO_PAGE_SIZE + 1)
ATTACK(strings_far, a->strings_offset = sizeof(*b))
ATTACK(strings_off, a->strings_offset = UINT32_MAX)
ATTACK(strings_long, a->strings_size = UINT32_MAX)
ATTACK(strings_short, a->strings_size--)
ATTACK(strings_more, a->strings_size++)
ATTACK(strings_none, a->strings_size = 0)
/* Strings in every way, were they not one byte too many. */
ATTACK(strings_2049,
       (memset(b->gap, 'x', EXO_START_STRINGS), a->argc = 1, a->envc = 0,
        a->strings_size = EXO_START_STRINGS + 1, a->strings_offset = offsetof(struct large, gap)))
ATTACK(strings_2048,
       (memset(b->gap, 'x', EXO_START_STRINGS - 1), a->argc = 1, a->envc = 0,
        a->strings_size = EXO_START_STRINGS, a->strings_offset = offsetof(struct large, gap)))
ATTACK(argc_more, a->argc++)
ATTACK(argc_less, a->argc--)
ATTACK(argc_max, a->argc = UINT32_MAX)
ATTACK(argc_wrap, (a->argc = UINT32_MAX, a->envc = 4)) /* 3 in 32 bits, as many as there are */
ATTACK(many, (a->argc = 129, a->envc = 0, a->strings_size = 129, a->strings_offset = 1000))
ATTACK(restart, a->restart = BUNDLE_ALWAYS + 1)
ATTACK(restart_max, a->restart = UINT16_MAX)
ATTACK(slices_0, a->slices = 0)
ATTACK(vcpus_0, a->vcpus = 0)
ATTACK(vcpus_many, a->vcpus = EXO_CPUS + 1)
ATTACK(vcpus_whole, (a->slices = 0, a->cpus = 2, a->vcpus = 2))
ATTACK(slices_too, a->cpus = 2)
ATTACK(cpus_first, (a->slices = 0, a->cpus = 3))
ATTACK(cpus_twice, (a->slices = a[-1].slices = 0, a->cpus = 6, a[-1].cpus = 4))
ATTACK(under_none, a->under = 1)
ATTACK(under_itself, (a->slices = 0, a->cpus = 2, a->under = 2))
ATTACK(under_far, a->under = APPS + 1)
ATTACK(under_max, a->under = UINT32_MAX)
ATTACK(mac_twice, a->mac = b->small.allow[2].value.mac = 0x525400000001)
ATTACK(mac_none, a->mac = 0)
ATTACK(allow_none, a->allowances = 0)
ATTACK(allow_many, a->allowances = EXO_ALLOWANCES + 1)
ATTACK(allow_wrap, a->allowances = UINT32_MAX)
ATTACK(allow_odd, a->allow_offset += 4)
ATTACK(allow_outside, a->allow_offset = (uint32_t)b->small.header.size - 104)
ATTACK(allow_far, a->allow_offset = UINT32_MAX & ~7u)
ATTACK(allow_foreign, b->small.allow[2].value.mac ^= 1)
ATTACK(allow_open, b->small.allow[2].mask.mac = 0xff)
ATTACK(mac_group, a->mac = 0x010000000001)
ATTACK(mac_all, a->mac = 0xffffffffffff)
ATTACK(mac_long, a->mac = 1ull << 48)
ATTACK(mac_any, a->mac = UINT64_MAX) /* EXO_MAC_ANY in the kernel: all MACs there are */

static const struct {
    const char *name;
    void (*change)(struct large *b);
    bool about_app;
    const char *said; /* a part of what must be said */
} attacks[] = {
    {"magic", magic, false, "is not a bundle"},
    {"version", version, false, "another version"},
    {"flags", flags, false, "asks for what this init does not know"},
    {"version 0", version_0, false, "another version"},
    {"size", size_more, false, "cut short"},
    {"largest size", size_max, false, "cut short"},
    {"size 0", size_0, false, "shorter than its header"},
    {"size 63", size_63, false, "shorter than its header"},
    {"33 applications", apps_many, false, "more applications"},
    {"as many applications as fit a word", apps_max, false, "more applications"},
    {"so many applications that 32 bits wrap", apps_wrap, false, "more applications"},
    {"one application more than there are", apps_next, true, "image that lies outside"},
    {"empty machine name", machine_none, false, "proper machine"},
    {"machine name without end", machine_end, false, "proper machine"},
    {"machine name of two lines", machine_line, false, "proper machine"},
    {"empty name", name_empty, true, "without a proper name"},
    {"name without end", name_no_end, true, "without a proper name"},
    {"capital in the name", name_capital, true, "without a proper name"},
    {"byte above 127 in the name", name_high, true, "without a proper name"},
    {"bracket in the name", name_bracket, true, "without a proper name"},
    {"name given twice", name_twice, true, "two applications of one name"},
    {"named init", name_init, true, "for the system"},
    {"named exo", name_exo, true, "for the system"},
    {"named uefi", name_uefi, true, "for the system"},
    {"image at an odd place", image_odd, true, "image that lies outside"},
    {"image far away", image_far, true, "image that lies outside"},
    {"image behind the end", image_end, true, "image that lies outside"},
    {"image at the end of all addresses", image_max, true, "image that lies outside"},
    {"image one byte too long", image_long, true, "image that lies outside"},
    {"image as long as all memory", image_size_max, true, "image that lies outside"},
    {"image whose end wraps", image_size_wrap, true, "image that lies outside"},
    {"strings at the end", strings_far, true, "not strings"},
    {"strings far away", strings_off, true, "not strings"},
    {"strings as long as a word", strings_long, true, "not strings"},
    {"strings one byte short", strings_short, true, "not strings"},
    {"strings one byte long", strings_more, true, "not strings"},
    {"no strings", strings_none, true, "not strings"},
    {"2049 bytes of strings", strings_2049, true, "not strings"},
    {"one argument more", argc_more, true, "not strings"},
    {"one argument less", argc_less, true, "not strings"},
    {"as many arguments as fit a word", argc_max, true, "more arguments"},
    {"so many arguments that 32 bits wrap", argc_wrap, true, "more arguments"},
    {"129 arguments", many, true, "more arguments"},
    {"unknown restart rule", restart, true, "restart rule"},
    {"largest restart rule", restart_max, true, "restart rule"},
    {"no slice", slices_0, true, "without a slice"},
    {"slices beside whole CPUs", slices_too, true, "and whole CPUs"},
    {"no virtual CPU", vcpus_0, true, "without a virtual CPU"},
    {"more than there may be", vcpus_many, true, "without a virtual CPU"},
    {"more than one beside whole CPUs", vcpus_whole, true, "without a virtual CPU"},
    {"the first CPU", cpus_first, true, "the first CPU whole"},
    {"one CPU twice", cpus_twice, true, "one CPU to two"},
    {"under one without CPUs", under_none, true, "no CPU to hand out"},
    {"under itself", under_itself, true, "no CPU to hand out"},
    {"under one too far", under_far, true, "no CPU to hand out"},
    {"under the last number", under_max, true, "no CPU to hand out"},
    {"MAC given twice", mac_twice, true, "two applications of one MAC"},
    {"a filter without a MAC", mac_none, true, "a filter and no MAC"},
    {"no filter", allow_none, true, "a MAC and no filter"},
    {"nine filters", allow_many, true, "filters lie outside"},
    {"filters past any size", allow_wrap, true, "filters lie outside"},
    {"filters at an odd place", allow_odd, true, "filters lie outside"},
    {"filters that end outside", allow_outside, true, "filters lie outside"},
    {"filters far outside", allow_far, true, "filters lie outside"},
    {"a filter for another MAC", allow_foreign, true, "not for its MAC"},
    {"a filter for many MACs", allow_open, true, "not for its MAC"},
    {"MAC of a group", mac_group, true, "no station"},
    {"broadcast MAC", mac_all, true, "no station"},
    {"MAC of 49 bits", mac_long, true, "no station"},
    {"all MACs", mac_any, true, "no station"},
};

static void test_fields(void)
{
    for (unsigned i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++) {
        static struct large b;
        uint32_t at;

        make_large(&b);
        attacks[i].change(&b);
        if (b.small.header.size >= sizeof(b.small.header) && b.small.header.size <= sizeof(b))
            seal(&b);
        const char *wrong = judge(&b, sizeof(b), &at);
        /* The application is the one that was changed, or the one that is too many. */
        bool placed = attacks[i].about_app ? at == 1 || at == APPS : at == BUNDLE_APPS;
        if (!tap_ok(wrong && strstr(wrong, attacks[i].said) && placed, "%s is refused for that",
                    attacks[i].name))
            printf("# it says: %s (application %u)\n", wrong ? wrong : "nothing", at);
    }
}

static void test_steward(void)
{
    static struct large b;
    uint32_t at;

    make_large(&b);
    b.small.apps[1].slices = 0;
    b.small.apps[1].cpus = 6;
    b.small.apps[0].under = b.small.apps[2].under = 2;
    seal(&b);
    tap_ok(!judge(&b, sizeof(b), &at), "applications may be under one that has CPUs");
}

/* The steward is the first, and who is under it one of the others, which are alike but for their names. */
static void test_under(void)
{
    static struct {
        struct bundle_header header;
        struct bundle_app apps[BUNDLE_UNDER + 1];
        char strings[2];
    } b;
    uint32_t at;

    for (uint32_t who = BUNDLE_UNDER - 1; who <= BUNDLE_UNDER; who++) {
        b.header = (struct bundle_header){
            BUNDLE_MAGIC, BUNDLE_VERSION, BUNDLE_UNDER + 1, sizeof(b), 0, 0, "test"};
        strcpy(b.strings, "a");
        for (uint32_t i = 0; i <= BUNDLE_UNDER; i++) {
            b.apps[i] = (struct bundle_app){.image_size = IMAGE_SIZE, /* of whatever is there */
                                            .strings_offset = offsetof(typeof(b), strings),
                                            .strings_size = 2,
                                            .argc = 1,
                                            .pages = 100,
                                            .slices = i > 0,
                                            .cpu = BUNDLE_ANY_CPU,
                                            .cpus = i ? 0 : 2,
                                            .under = i == who,
                                            .vcpus = 1};
            snprintf(b.apps[i].name, sizeof(b.apps[i].name), "a%u", i);
        }
        seal(&b);
        const char *wrong = judge(&b, sizeof(b), &at);
        if (who < BUNDLE_UNDER)
            tap_ok(!wrong, "the last application that can be is under another");
        else
            tap_ok(wrong && strstr(wrong, "hand out to it") && at == who, "the next cannot");
    }
}

static void test_most_strings(void)
{
    static struct large b;
    uint32_t at;

    make_large(&b);
    strings_2048(&b);
    seal(&b);
    tap_ok(!judge(&b, sizeof(b), &at), "2048 bytes of strings are accepted");
}

/* Values that sit at an edge of something. */
static uint64_t edge(void)
{
    static const uint64_t edges[] = {
        0,          1,          2,          4,          31,        32,         33,
        63,         64,         72,         127,        128,       129,        2047,
        2048,       2049,       4095,       4096,       4097,      0x7fffffff, 0x80000000,
        UINT32_MAX, 1ull << 32, 1ull << 47, 1ull << 48, INT64_MAX, UINT64_MAX};
    uint64_t value = edges[tap_random() % (sizeof(edges) / sizeof(edges[0]))];

    return value + (tap_random() % 4 ? 0 : tap_random() % 5 - 2);
}

static void mutate(uint8_t *bundle, uint64_t size)
{
    for (uint64_t times = 1 + tap_random() % 4; times; times--) {
        /* Past magic and version, which would hide all the rest, most of the time. */
        uint64_t at = tap_random() % 64 ? 12 + tap_random() % (size - 12) : tap_random() % size;
        uint64_t value = edge();
        unsigned width = 1u << tap_random() % 4;
        switch (tap_random() % 3) {
        case 0:
            bundle[at] = (uint8_t)tap_random();
            break;
        case 1:
            bundle[at] ^= (uint8_t)(1u << tap_random() % 8);
            break;
        default:
            at &= ~(uint64_t)(width - 1);
            memcpy(bundle + at, &value, at + width <= size ? width : size - at);
        }
    }
}

static void test_random(bool with_images, uint32_t rounds)
{
    uint32_t accepted = 0, refused = 0, broken = 0, at;
    uint64_t whole = with_images ? sizeof(struct large) : sizeof(struct small);

    for (uint32_t i = 0; i < rounds; i++) {
        static struct large b;
        uint64_t size = whole;

        with_images ? make_large(&b) : make_small(&b.small);
        mutate((uint8_t *)&b, sizeof(struct small));
        if (tap_random() % 8 == 0)
            size = sizeof(struct bundle_header) + tap_random() % (whole - 64);
        /* Most that say they are as long as they are, so that not all end there. */
        if (tap_random() % 8)
            b.small.header.size = size;
        if (b.small.header.size >= sizeof(struct bundle_header) && b.small.header.size <= size)
            seal(&b);
        const char *wrong = judge(&b, size, &at);
        if (!wrong)
            accepted++;
        else if (wrong[0] == 'B' || wrong[0] == 'W')
            broken++;
        else
            refused++;
    }
    tap_ok(!broken && accepted > rounds / 100 && refused > rounds / 10,
           "%u random bundles: %u refused, %u accepted and all of these sound", rounds, refused,
           accepted);
}

int main(void)
{
    test_good();
    test_truncated();
    test_flipped();
    test_fields();
    test_steward();
    test_under();
    test_most_strings();
    test_random(false, ROUNDS);
    test_random(true, ROUNDS / 20);
    return tap_done();
}
