/* SPDX-License-Identifier: MIT */
/*
 * directory.h - who runs on this machine, as init tells the applications that may know.
 *
 * A convention between init and applications, like start.h. An application that has the right
 * "directory" in the machine file finds this page, read-only, at EXO_DIRECTORY_ADDRESS: init's own
 * page, granted to it and kept current while applications end and start again. A name is no right:
 * whoever is named still decides who may notify it, and takes no grant that it does not look for.
 *
 * `change` is odd while init writes. A reader that wants a whole entry reads `change`, then the
 * entry, then `change` again, and starts over if it differs or is odd.
 */
#ifndef EXO_ABI_DIRECTORY_H
#define EXO_ABI_DIRECTORY_H

#include "start.h"
#include "types.h"

#define EXO_DIRECTORY_ADDRESS 0x000000003fe20000ull
#define EXO_DIRECTORY_MAGIC   0x3172696473736678ull /* "xfssdir1" */
#define EXO_DIRECTORY_ENTRIES 168u

struct exo_directory_entry {
    char name[16];   /* as in the machine file, NUL-terminated */
    env_t env;       /* its environment now; 0: it does not run */
    uint32_t starts; /* how often it was started */
};

struct exo_directory {
    uint64_t magic;
    uint32_t change;
    uint32_t count; /* of entries: one an application, in the machine file's order */
    struct exo_directory_entry entries[EXO_DIRECTORY_ENTRIES];
};

_Static_assert(sizeof(struct exo_directory) <= EXO_PAGE_SIZE, "the directory is one page");

#endif
