// SPDX-License-Identifier: MIT
/*
 * Runs misuse in a child whose stderr is a pipe. What is expected reaches the
 * parent in shared memory, since it holds an address that only the child knows.
 */
#include "reported.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "aborts.h"
#include "test.h"

#define LINE_LEN 512

static char *announced; /* shared with the child */

void reported_say(const char *call, const void *addr)
{
	snprintf(announced, LINE_LEN, "surefree: %s(%p", call, addr);
}

void reported(void (*misuse)(void))
{
	char text[LINE_LEN];
	size_t len;
	size_t start;

	announced = mmap(NULL, LINE_LEN, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (!CHECK(announced != MAP_FAILED))
		return;
	CHECK_EQ(aborts_capture(misuse, text, sizeof(text)), -SIGABRT);
	/* An emulator adds a line of its own about the signal. */
	if (test_emulated() && strchr(text, '\n') != NULL)
		strchr(text, '\n')[1] = '\0';
	len = strlen(text);
	start = strlen(announced);
	if (len < start + 5 || strncmp(text, announced, start) != 0 ||
	    (text[start] != ')' && text[start] != ',') ||
	    strstr(text + start, "): ") == NULL ||
	    strchr(text, '\n') != text + len - 1)
		FAIL("expected the line \"%s...): ...\", got \"%s\"", announced,
		     text);
	munmap(announced, LINE_LEN);
}
