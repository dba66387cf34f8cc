/* SPDX-License-Identifier: MIT */
/* What the files that run scenarios share. */
#ifndef SCRIPT_PARTS_H
#define SCRIPT_PARTS_H

#include <stddef.h>

#define ERRNO_KEPT 4242 /* nobody sets this one */

/* What a name in a scenario stands for. */
struct script_name {
	char *addr;
	size_t len;
};

struct script_verb {
	const char *word;
	void (*run)(void);
};

/* Both end with one whose word is NULL. */
extern const struct script_verb script_calls[];
extern const struct script_verb script_looks[];

/* Words of the statement that is being run; missing ones are "". */
#define SCRIPT_MAX_WORDS 8
extern const char *script_words[SCRIPT_MAX_WORDS];

extern size_t script_page_len; /* of the OS */

/* Write to the transcript. */
void script_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Say what a call returned that gives 0, or -1 and errno. */
void script_say_result(long result);

/* What words stand for. */
struct script_name *script_named(const char *word);
char *script_addr(const char *word);
size_t script_len(const char *word);

/* Before the first statement: what changes are measured against. */
void script_start_looking(void);

/* Flags of mappings that are of interest. */
#define SCRIPT_FLAGS " lo lf dc dd wf mg hg "

/* Say what each page is, and holds. */
void script_show(char *addr, size_t len);

#endif
