// SPDX-License-Identifier: MIT
/* Statements of scenarios that look at memory, or use it. */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "memory.h"
#include "pages.h"
#include "script_parts.h"
#include "test.h"

static size_t lck_before;
static bool has_guard;

void script_start_looking(void)
{
	has_guard = memory_has_markers();
	lck_before = test_status("VmLck");
}

static void run_fill(void)
{
	pages_fill(script_addr(script_words[1]),
		   script_len(script_words[2]) / script_page_len,
		   script_words[3][0]);
	script_say("\n");
}

/* What show writes for a page. */
static void describe(char *addr, char text[3])
{
	static const char access_letters[] = "nrw";
	enum pages_access access;
	int byte;

	text[0] = '-';
	text[1] = text[2] = '\0';
	if (!pages_mapped(addr))
		return;
	access = pages_access(addr);
	text[0] = access_letters[access];
	if (access == PAGES_NONE)
		return;
	byte = pages_byte(addr);
	text[1] = (char)(byte == 0 ? '0' : byte < ' ' ? '?' : byte);
}

void script_show(char *addr, size_t len)
{
	char last[3] = "";
	size_t nr = 0;

	for (char *p = addr; p <= addr + len; p += script_page_len) {
		char text[3] = "";

		if (p < addr + len)
			describe(p, text);
		if (strcmp(text, last) == 0) {
			nr++;
			continue;
		}
		if (nr > 1)
			script_say(" %s*%zu", last, nr);
		else if (nr == 1)
			script_say(" %s", last);
		memcpy(last, text, sizeof(last));
		nr = 1;
	}
	script_say("\n");
}

static void run_show(void)
{
	script_show(script_addr(script_words[1]), script_len(script_words[2]));
}

static void run_rss(void)
{
	script_say(" -> %zu\n", test_resident(script_addr(script_words[1]),
					      script_len(script_words[2])) /
					script_page_len);
}

static void run_flags(void)
{
	char text[64];

	pages_flags(script_addr(script_words[1]), SCRIPT_FLAGS, text,
		    sizeof(text));
	script_say(" -> %s\n", text);
}

/* Whether the pages are mapped, as many programs ask. */
static void run_ask(void)
{
	unsigned char resident[64];
	char *addr = script_addr(script_words[1]);
	size_t len = script_len(script_words[2]);

	errno = ERRNO_KEPT;
	if (strcmp(script_words[0], "mincore") == 0)
		script_say_result(mincore(addr, len, resident));
	else
		script_say_result(msync(addr, len, MS_ASYNC));
}

static void run_lck(void)
{
	script_say(" -> %ld\n", (long)(test_status("VmLck") - lck_before) /
					(long)script_page_len);
}

/* Where there are no markers, what is unmapped of ours does not fault. */
static void run_touch(void)
{
	char *addr = script_addr(script_words[1]);
	bool faults = (!has_guard && !pages_mapped(addr)) ||
		      test_touches(addr) != 0;

	script_say(" -> %s\n", faults ? "faults" : "ok");
}

/* A function that returns at once, written to the page and called. */
static void run_run(void)
{
	char *addr = script_addr(script_words[1]);
	pid_t pid;
	int status;

	pid = fork();
	if (pid == 0) {
		signal(SIGSEGV, SIG_DFL);
		((void (*)(void))(uintptr_t)addr)();
		_exit(0);
	}
	waitpid(pid, &status, 0);
	script_say(" -> %s\n", status == 0 ? "ok" : "faults");
}

static void run_code(void)
{
#ifdef __x86_64__
	static const unsigned char code[] = { 0xc3 };
#else
	static const unsigned char code[] = { 0xc0, 0x03, 0x5f, 0xd6 };
#endif
	char *addr = script_addr(script_words[1]);

	memcpy(addr, code, sizeof(code));
	__builtin___clear_cache(addr, addr + sizeof(code));
	script_say("\n");
}

const struct script_verb script_looks[] = {
	{ "fill", run_fill },	{ "show", run_show },	{ "rss", run_rss },
	{ "flags", run_flags }, { "mincore", run_ask }, { "msync", run_ask },
	{ "lck", run_lck },	{ "touch", run_touch }, { "run", run_run },
	{ "code", run_code },	{ NULL, NULL },
};
