/* SPDX-License-Identifier: MIT */
/* setting.h - numbers that a server is told by its environment. */
#ifndef HTTPD_SETTING_H
#define HTTPD_SETTING_H

/* From the variable `name`, or `otherwise`. What it cannot be ends `program` with a sentence and status 2. */
unsigned setting(const char *program, const char *name, unsigned otherwise, unsigned least,
                 unsigned most);

#endif
