/* SPDX-License-Identifier: MIT */
/* resident.h - pages that are always there (resident.c), for vm.c; what others call is in libos.h. */
#ifndef LIBOS_RESIDENT_H
#define LIBOS_RESIDENT_H

#include "libos.h"

void resident_init(uint64_t drawn);     /* a random number that says where */
bool resident_guards(uint64_t address); /* is it among them: one that is not mapped guards them */

#endif
