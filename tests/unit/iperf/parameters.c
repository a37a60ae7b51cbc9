/* SPDX-License-Identifier: MIT */
/*
 * parameters.c - what clients send as their parameters: sound, cut, wrong and random.
 *
 * Every text lies in a heap block of its exact size, so that a byte read too many is found by the
 * address sanitizer.
 */
#include "parameters.h"

#include <stdlib.h>
#include <string.h>

#include "../tap.h"

/* As iperf3 3.12 sends it with -R -P 4. */
#define SOUND                                                                                      \
    "{\"tcp\":true,\"omit\":2,\"time\":10,\"num\":0,\"blockcount\":0,\"parallel\":4,\"reverse\":"  \
    "true,\"len\":131072,\"pacing_timer\":1000,\"client_version\":\"3.12\"}"

static const char *read_bytes(const char *text, size_t size, struct parameters *p)
{
    char *copy = malloc(size ? size : 1);

    memcpy(copy, text, size);
    const char *wrong = parameters_read(copy, size, p);
    free(copy);
    return wrong;
}

static const char *wrong_with(const char *text)
{
    struct parameters p;
    const char *wrong = read_bytes(text, strlen(text), &p);

    return wrong ? wrong : "";
}

static const struct {
    const char *text, *wrong; /* how the sentence begins, or "" */
} cases[] = {
    {"{}", ""},
    {"{\"parallel\":32,\"len\":1,\"omit\":0}", ""},
    {"{\"extra\":{\"parallel\":[99,{\"len\":0}]},\"udp\":0,\"nodelay\":1}", ""},
    {"{\"parallel\":0}", "\"parallel\""},
    {"{\"parallel\":33}", "\"parallel\""},
    {"{\"parallel\":-1}", "\"parallel\""},
    {"{\"parallel\":1.5}", "\"parallel\""},
    {"{\"parallel\":99999999999999999999}", "\"parallel\""},
    {"{\"parallel\":\"4\"}", "\"parallel\""},
    {"{\"parallel\":[4]}", "\"parallel\""},
    {"{\"parallel\":{}}", "\"parallel\""},
    {"{\"len\":0}", "\"len\""},
    {"{\"len\":null}", "\"len\""},
    {"{\"omit\":601}", "\"omit\""},
    {"{\"reverse\":2}", "\"reverse\""},
    {"{\"reverse\":\"true\"}", "\"reverse\""},
    {"{\"udp\":[]}", "\"udp\""},
    {"", "they are"},
    {"[]", "they are"},
    {"4", "they are"},
    {"{", "they are"},
    {"{}{}", "they are"},
    {"{}1", "they are"},
    {"{\"a\":1}\"parallel\"", "they are"},
    {"{\"parallel\"}", "they are"},
    {"{\"parallel\":}", "they are"},
    {"{1:2}", "they are"},
    {"{\"a\":1,{}}", "they are"},
};

static void many_tokens(void)
{
    static char text[8192] = "{\"a\":[";
    struct parameters p;
    size_t at = strlen(text);

    for (int i = 0; i < 300; i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s1", i ? "," : "");
    snprintf(text + at, sizeof(text) - at, "]}");
    const char *wrong = read_bytes(text, strlen(text), &p);
    tap_ok(wrong && strstr(wrong, "256"), "more values than there is room for are told");
}

/* Whatever comes, it is refused or within the limits. */
static bool within(const char *text, size_t size)
{
    struct parameters p;

    return read_bytes(text, size, &p) || (p.streams >= 1 && p.streams <= STREAMS && p.length >= 1 &&
                                          p.length <= LENGTH_MAX && p.omit >= 0 && p.omit <= 600);
}

static void random_texts(void)
{
    static const char letters[] = "{}[]:,\"\\01e-tnu ";
    bool good = true;

    for (int round = 0; round < 200000 && good; round++) {
        char text[sizeof(SOUND)] = SOUND;
        size_t size = 1 + tap_random() % (sizeof(SOUND) - 1);
        for (unsigned n = tap_random() % 4; n > 0; n--)
            text[tap_random() % size] = letters[tap_random() % (sizeof(letters) - 1)];
        good = within(text, size);
    }
    tap_ok(good, "texts with errors are refused, or taken within the limits");
}

int main(void)
{
    struct parameters p;

    tap_ok(!read_bytes(SOUND, strlen(SOUND), &p) && p.streams == 4 && p.reverse && !p.udp &&
               !p.both_ways && p.length == 131072 && p.omit == 2,
           "what iperf3 sends is read");
    tap_ok(!read_bytes("{\"len\":1000000}", 15, &p) && p.length == LENGTH_MAX && p.streams == 1,
           "a length above what there is room for becomes that");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *wrong = wrong_with(cases[i].text);
        bool same = cases[i].wrong[0] ? strstr(wrong, cases[i].wrong) == wrong : !wrong[0];
        tap_ok(same, "%s: %s", cases[i].text, wrong);
    }
    for (size_t size = 0; size < strlen(SOUND); size++)
        if (!read_bytes(SOUND, size, &p))
            tap_ok(false, "%zu bytes of it are taken", size);
    many_tokens();
    random_texts();
    return tap_done();
}
