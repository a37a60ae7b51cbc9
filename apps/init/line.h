/* SPDX-License-Identifier: MIT */
/*
 * line.h - lines of text over the channel, whatever else comes.
 *
 * A line ends with a newline; a carriage return before it is dropped. One that is longer than
 * LINE_LENGTH or has a character that is not printable ASCII is no line: it is told as such, once,
 * when its end has come.
 */
#ifndef INIT_LINE_H
#define INIT_LINE_H

#include <stdbool.h>
#include <stdint.h>

#include "bundle.h"

#define LINE_LENGTH 127u
#define REPLY_MAX   (320u * BUNDLE_APPS) /* a line of each, as long as they get */

enum line { LINE_NONE, LINE_WHOLE, LINE_LONG, LINE_GARBAGE };

/* The next line, without its end, into `text`; reads no further than it. */
enum line line_read(char text[LINE_LENGTH + 1]);

/* Add to what is to be sent; what does not fit is lost. */
__attribute__((format(printf, 1, 2))) void line_print(const char *format, ...);

/* Send what goes out at once. False: some is left. */
bool line_send(void);

/* Forget what is left to be sent. */
void line_drop(void);

#endif
