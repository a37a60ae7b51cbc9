/* SPDX-License-Identifier: MIT */
/*
 * page.c - the pages and answers that are made at run time: they fit, escape and count rightly.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../tap.h"
#include "answer.h"
#include "page.h"

static struct facts facts;

static const struct facts *the_facts(void)
{
    return &facts;
}

static char out[ANSWER_ROOM];

static const char *render(const char *template)
{
    struct text text = {out, out + sizeof(out) - 1, false};

    page_render(&text, template, strlen(template), &facts);
    *text.at = 0;
    return text.full ? "full" : out;
}

static void test_templates(void)
{
    tap_ok(!strcmp(render("a {{pages}} b"), "a 137 b"), "a fact");
    tap_ok(!strcmp(render("{{application}}"), "mock &lt;&amp;&quot;&gt;"), "text is escaped");
    tap_ok(!strcmp(render("{{upcalls}} {{=upcalls}}"), "1\xe2\x80\xaf"
                                                       "234\xe2\x80\xaf"
                                                       "567 1234567"),
           "numbers for people and for attributes");
    tap_ok(!strcmp(render("{{cpu_ms}} {{uptime_s}}"), "61.007 s 2 d 3:04:05"), "times");
    tap_ok(!strcmp(render("{{rx_bytes}}, {{tx_bytes}}"), "10\xe2\x80\xaf"
                                                         "239 B, 10 KiB"),
           "amounts");
    tap_ok(!strcmp(render("{{nothing}} {{ {x} {{=}} {{}} {{pages"),
                   "{{nothing}} {{ {x} {{=}} {{}} {{pages"),
           "what names no fact stays as it is");

    struct text text = {out, out + 5, false};
    page_render(&text, "{{application}}", 15, &facts);
    tap_ok(text.full && text.at <= out + 5, "what does not fit is left out and told");
}

/* The largest that any page of the site can become. */
static void test_room(void)
{
    struct facts large;
    uint64_t *words = (uint64_t *)&large;
    const char **strings[] = {&large.application, &large.version, &large.policy, &large.address,
                              &large.gateway,     &large.mac,     &large.nic,    &large.link};

    for (size_t i = 0; i < sizeof(large) / 8; i++)
        words[i] = UINT64_MAX;
    for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++)
        *strings[i] = "<<<<<<<<<<<<<<<<<<";
    facts = large;
    for (size_t i = 0; i < site_count; i++) {
        struct answer answer = {.status = 200, .close = true, .file = &site_files[i]};
        struct text text = {out, out + sizeof(out), false};
        struct span rest = {NULL, 0};
        answer_write(&text, &answer, the_facts, &rest);
        *(text.at < text.end ? text.at : text.at - 1) = 0;
        tap_ok(!text.full && !strncmp(out, "HTTP/1.1 200 OK\r\n", 17) && !strstr(out, "{{"),
               "%s fits its buffer with the largest numbers, and each name in it is a fact (%zu)",
               site_files[i].path, (size_t)(text.at - out) + rest.length);
    }
    struct answer answer = {.status = 200, .json = true};
    struct text text = {out, out + sizeof(out), false};
    answer_write(&text, &answer, the_facts, &(struct span){NULL, 0});
    tap_ok(!text.full && !strncmp(out, "HTTP/1.1 200", 12), "so does status.json");
}

/* Against the C library's own idea of a date (RFC 9110, 5.6.7 is its format below). */
static void test_dates(void)
{
    bool right = true;

    for (unsigned i = 0; i < 20000; i++) {
        time_t when = 1600000000 + (time_t)(tap_random() % 6000000000u);
        char expected[64], *at;
        struct tm tm;
        strftime(expected, sizeof(expected), "Date: %a, %d %b %Y %H:%M:%S GMT\r\n",
                 gmtime_r(&when, &tm));
        answer_set_date((uint64_t)when);
        struct answer answer = {.status = 404};
        struct text text = {out, out + sizeof(out) - 1, false};
        answer_write(&text, &answer, the_facts, &(struct span){NULL, 0});
        *text.at = 0;
        at = strstr(out, "Date:");
        right &= at && !strncmp(at, expected, strlen(expected));
    }
    tap_ok(right, "20,000 dates");
    answer_set_date(5);
    struct answer answer = {.status = 404};
    struct text text = {out, out + sizeof(out) - 1, false};
    answer_write(&text, &answer, the_facts, &(struct span){NULL, 0});
    *text.at = 0;
    tap_ok(!strstr(out, "Date:"), "no date without a clock (RFC 9110, 6.6.1)");
}

int main(void)
{
    facts_get(&facts);
    test_templates();
    test_room();
    test_dates();
    return tap_done();
}
