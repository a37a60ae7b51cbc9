/* SPDX-License-Identifier: MIT */
/* answer.h - what the commands share: lines of the answer to the one that is carried out. */
#ifndef INIT_ANSWER_H
#define INIT_ANSWER_H

#include "apps.h"
#include "line.h"

#define TAG_MAX 12u
extern char command_tag[TAG_MAX + 1];

#define ANSWER(format, ...) line_print("#%s " format "\n", command_tag, ##__VA_ARGS__)

/* The application that a command names, or NULL and the answer is given. */
struct app *command_app(const char *name);

#endif
