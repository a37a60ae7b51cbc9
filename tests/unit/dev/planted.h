/* SPDX-License-Identifier: MIT */
/* planted.h - what each fence of a tested file calls instead. */
void planted(int order);
