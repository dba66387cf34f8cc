// SPDX-License-Identifier: MIT
/* What a mode says of an error, see said.h. */
#include "said.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aborts.h"
#include "test.h"

void said(void (*misuse)(void), int signal_number, ...)
{
	static char text[16384];
	const char *words;
	va_list args;

	CHECK_EQ(aborts_capture(misuse, text, sizeof(text)), -signal_number);
	va_start(args, signal_number);
	while ((words = va_arg(args, const char *)) != NULL)
		if (strstr(text, words) == NULL)
			FAIL("expected \"%s\" in \"%s\"", words, text);
	va_end(args);
}

char *said_block(size_t size)
{
	char *p = malloc(size);

	if (p == NULL)
		_exit(TEST_CHILD_FAILED);
	memset(p, 1, size);
	return p;
}

static int ask(void *arg)
{
	(void)arg;
	return test_has_guard();
}

bool said_has_guard(void)
{
	return test_in_child(ask, NULL) == 1;
}
