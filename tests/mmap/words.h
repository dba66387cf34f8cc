/* SPDX-License-Identifier: MIT */
/* The words for protections, flags, advice and errors in scenarios. */
#ifndef WORDS_H
#define WORDS_H

enum words_kind {
	WORDS_PROT,
	WORDS_FLAGS,
	WORDS_REMAP,
	WORDS_ADVICE,
	WORDS_LOCKALL,
};

/*
 * The value of words of that kind that are joined by commas; those that are
 * not known are numbers, or count nothing.
 */
unsigned long words_value(enum words_kind kind, const char *words);

/* "ENOMEM" */
const char *words_errno(int err);

#endif
