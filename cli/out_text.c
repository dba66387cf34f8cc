// SPDX-License-Identifier: MIT
/*
 * Text for a terminal: names of programs, files and functions are others', and
 * must not steer it. Nothing gets longer or shorter, so that tables stay tables.
 */
#include <stdio.h>
#include <string.h>

#include "out.h"

/* Bytes of the character at a place; 0: none that may be printed. */
static size_t char_len(const unsigned char *at)
{
	size_t len = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;

	if (at[0] < 0x80)
		return at[0] >= ' ' && at[0] != 0x7f;
	if (at[0] < 0xc2 || at[0] > 0xf4)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	}
	/* Control characters, what is longer than need be, no characters. */
	if ((at[0] == 0xc2 && at[1] < 0xa0) ||
	    (at[0] == 0xe0 && at[1] < 0xa0) ||
	    (at[0] == 0xed && at[1] >= 0xa0) ||
	    (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] >= 0x90))
		return 0;
	return len;
}

void sf_out_bytes(const char *text, size_t len)
{
	const char *end = text + len;

	while (text < end) {
		size_t step = char_len((const unsigned char *)text);

		if (step == 0)
			putchar('?');
		else
			fwrite(text, 1, step, stdout);
		text += step != 0 ? step : 1;
	}
}

void sf_out_text(const char *text)
{
	sf_out_bytes(text, strlen(text));
}
