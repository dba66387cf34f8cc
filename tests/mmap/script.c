// SPDX-License-Identifier: MIT
/*
 * Runs scenarios. One process runs one, so all state is static; nothing is
 * allocated, so that only the scenario's own calls map memory.
 */
#include "script.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pages.h"
#include "script_parts.h"
#include "test.h"
#include "words.h"

#define FRESH_PAGES 40

const char *script_words[SCRIPT_MAX_WORDS];
size_t script_page_len;

static struct script_name names[26];
static int out; /* where the transcript goes */

void script_say(const char *format, ...)
{
	char line[512];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (write(out, line, (size_t)n) != n)
		_exit(3);
}

struct script_name *script_named(const char *word)
{
	if (word[0] < 'A' || word[0] > 'Z') {
		script_say("bad name %s\n", word);
		_exit(4);
	}
	return &names[word[0] - 'A'];
}

char *script_addr(const char *word)
{
	char *rest;
	char *addr;

	if (strcmp(word, "null") == 0)
		return NULL;
	if (strcmp(word, "top") == 0)
		return (char *)-script_page_len;
	addr = script_named(word)->addr;
	rest = (char *)word + 1;
	if (*rest == '+' || *rest == '-')
		addr += strtol(rest, &rest, 10) * (long)script_page_len;
	if (*rest == '!')
		addr += strtol(rest + 1, &rest, 10);
	return addr;
}

size_t script_len(const char *word)
{
	char *rest;
	size_t nr;

	if (strcmp(word, "max") == 0)
		return SIZE_MAX - script_page_len + 1;
	if (strcmp(word, "huge") == 0)
		return (size_t)1 << 62;
	nr = strtoul(word, &rest, 10);
	return *rest == 'b' ? nr : nr * script_page_len;
}

/*
 * Statements
 */

/* Cut the line into words, which point into it. */
static void split(char *line)
{
	char *rest = line;

	for (int i = 0; i < SCRIPT_MAX_WORDS; i++) {
		char *word = strsep(&rest, " \t");

		script_words[i] = word != NULL ? word : "";
	}
}

static bool run_verb(const struct script_verb *verb)
{
	while (verb->word != NULL && strcmp(script_words[0], verb->word) != 0)
		verb++;
	if (verb->word != NULL)
		verb->run();
	return verb->word != NULL;
}

static void run_statement(const char *text, size_t len)
{
	char line[128];

	snprintf(line, sizeof(line), "%.*s", (int)len, text);
	script_say("%s", line);
	split(line);
	if (run_verb(script_calls) || run_verb(script_looks))
		return;
	script_say(" is no statement\n");
	_exit(4);
}

static const char *run_lines(const char *text, bool skip);

/* Run the lines up to "join" in a child; returns those behind. */
static const char *run_child(const char *text)
{
	const char *rest;
	int status = 0;
	pid_t pid;

	script_say("fork\n");
	pid = fork();
	if (pid == 0) {
		run_lines(text, false);
		_exit(0);
	}
	rest = run_lines(text, true);
	waitpid(pid, &status, 0);
	script_say("join -> %d\n", status);
	return rest;
}

/* Run lines, or skip them, up to "join" or the end; returns those behind. */
static const char *run_lines(const char *text, bool skip)
{
	while (*text != '\0') {
		const char *line = text;
		size_t len = strcspn(line, "\n");

		text += len + (line[len] == '\n');
		if (strncmp(line, "join", len) == 0)
			break;
		if (strncmp(line, "fork", len) == 0)
			text = skip ? run_lines(text, true) : run_child(text);
		else if (!skip)
			run_statement(line, len);
	}
	return text;
}

/* What was mapped can be unmapped; what is new is as new. */
static void run_end(void)
{
	size_t len = FRESH_PAGES * script_page_len;
	char *fresh[4];
	char text[64];

	script_say("end\n");
	munlockall();
	for (int i = 0; i < 26; i++) {
		if (names[i].addr == NULL)
			continue;
		errno = ERRNO_KEPT;
		script_say("unmap %c", 'A' + i);
		script_say_result(munmap(names[i].addr, names[i].len));
		names[i].addr = NULL;
	}
	for (int i = 0; i < 4; i++) {
		fresh[i] = mmap(NULL, len, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		script_say("fresh, resident %zu:",
			   test_resident(fresh[i], len));
		pages_flags(fresh[i], SCRIPT_FLAGS, text, sizeof(text));
		script_say("%s", text);
		script_show(fresh[i], len);
	}
	for (int i = 0; i < 4; i++)
		munmap(fresh[i], len);
}

void script_run(const struct scenario *scenario, int fd)
{
	out = fd;
	script_page_len = test_page();
	script_start_looking();
	for (int i = 1; i <= SCRIPT_RUNS; i++) {
		script_say("%s, run %d\n", scenario->name, i);
		run_lines(scenario->text, false);
		run_end();
	}
}
