/* SPDX-License-Identifier: MIT */
/* readable.h - libos's own: its other headers have names that are the core's here. */
#include "../../../../libos/readable.h"
