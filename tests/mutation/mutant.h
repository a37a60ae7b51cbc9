/* SPDX-License-Identifier: MIT */
/*
 * mutant.h - included before each file of a program that holds all mutants: which one it is today.
 *
 * MUTANT in the environment names it; 0, or nothing there, is the program without a mutant.
 */
#ifndef TESTS_MUTANT_H
#define TESTS_MUTANT_H

extern unsigned mutant;

/* The run came to the condition whose first mutant this is. */
extern unsigned char mutant_reached[];

/* A condition with `count` mutants from number `first` on. */
#define mutant_site(first, count, mutated, original)                                               \
    (mutant_reached[first] = 1, mutant - (first) < (count) ? (mutated) : (original))

#endif
