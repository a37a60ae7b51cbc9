/* SPDX-License-Identifier: MIT */
/*
 * site.h - the files in the image: what pack.py makes of the folder `files`.
 */
#ifndef HTTPD_SITE_H
#define HTTPD_SITE_H

#include <stdbool.h>
#include <stddef.h>

struct site_file {
    const char *path; /* with its '/' */
    const char *type; /* media type */
    const char *etag; /* strong, with its quotes: a digest of the bytes */
    const char *head; /* header lines of a 200 answer that depend on the file alone */
    size_t head_length;
    const char *bytes;
    size_t length;
    bool page; /* a template: {{name}} stands for a fact (page.h) */
};

extern const struct site_file site_files[];
extern const size_t site_count;

/* The file for a decoded path, NULL if there is none; "/" is "/index.html". */
const struct site_file *site_find(const char *path);

#endif
