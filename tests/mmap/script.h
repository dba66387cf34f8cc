/* SPDX-License-Identifier: MIT */
/*
 * Scenarios of calls of the mmap family, written as text. Running one writes a
 * transcript: a line for each statement with what came of it. Addresses are
 * written as map and page, so that the transcript is the same wherever the
 * maps lie, and two runs can be compared line by line.
 *
 * A statement is a line of words. NAME is one capital letter; AT is NAME,
 * NAME+PAGES or NAME+PAGES!BYTES, or "null" or "top" (the last page there
 * is); LEN is in pages, in bytes as "100b", or "max" or "huge". Words for
 * protections, flags and advice are joined by commas; a number is taken as it
 * is ("0x40").
 *
 *	map NAME LEN PROT FLAGS		mmap(NULL)
 *	mapat AT LEN PROT FLAGS		mmap(AT)
 *	row NAME NAME NAME LEN		three such maps, one behind the other
 *	unmap AT LEN
 *	protect AT LEN PROT
 *	pkey AT LEN PROT KEY
 *	advise AT LEN ADVICE
 *	padvise AT LEN ADVICE		posix_madvise()
 *	lock|unlock AT LEN
 *	lock2 AT LEN FLAGS
 *	lockall FLAGS
 *	unlockall
 *	remap NAME AT OLD-LEN NEW-LEN FLAGS [AT]	NAME is then the result
 *	fill AT LEN LETTER		write the letter to whole pages
 *	show AT LEN			what each page is, and holds
 *	rss AT LEN			pages that are resident
 *	flags AT			what smaps tells of the page
 *	mincore|msync AT LEN
 *	lck				VmLck, against the start of the scenario
 *	touch AT			read and write a byte
 *	code AT				put a function there
 *	run AT				call it, in a child
 *	limit LEN			lower RLIMIT_MEMLOCK
 *	aslimit LEN			set RLIMIT_AS; "max": to what it may be
 *	memlock LEN			the same, and be an ordinary user
 *	fork ... join			those statements in a child
 *
 * show writes a letter and a byte for a page, and "*N" for N alike: "-" not
 * mapped, "n" no access, "r" and "w" with "0" or the letter it is filled with.
 */
#ifndef SCRIPT_H
#define SCRIPT_H

#include <stddef.h>

struct scenario {
	const char *name;
	const char *text;
};

/* How often a scenario is run, so that addresses are used again. */
#define SCRIPT_RUNS 3

/*
 * Run it and write the transcript to fd. Afterwards, everything it mapped is
 * unmapped, and new maps are shown to be as new.
 */
void script_run(const struct scenario *scenario, int fd);

#endif
