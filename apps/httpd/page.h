/* SPDX-License-Identifier: MIT */
/* page.h - facts as text: in a template of HTML, or as JSON. */
#ifndef HTTPD_PAGE_H
#define HTTPD_PAGE_H

#include <stddef.h>

#include "facts.h"
#include "text.h"

/* Copy a template. {{name}} stands for a fact made for people, {{=name}} for the bare number. */
void page_render(struct text *out, const char *template, size_t length, const struct facts *facts);

/* All facts as one JSON object, named as in struct facts. */
void page_json(struct text *out, const struct facts *facts);

#endif
