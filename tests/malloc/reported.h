/* SPDX-License-Identifier: MIT */
/* Misuse of malloc's functions, and the one line that tells of it. */
#ifndef REPORTED_H
#define REPORTED_H

/*
 * Run misuse() in a child and check that it ends by SIGABRT, with exactly one
 * line on stderr, "surefree: CALL(ADDRESS): words" or with more after ADDRESS
 * in the parentheses: CALL and ADDRESS as misuse() announced them.
 */
void reported(void (*misuse)(void));

/* Announce what is next: the call that is wrong, and its address. */
void reported_say(const char *call, const void *addr);

#endif
