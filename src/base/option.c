// SPDX-License-Identifier: MIT
/* The table of options and their parser, see option.h. Allocates nothing. */
#include "base/option.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/compiler.h"
#include "base/log.h"

#define NAME_LEN  32
#define VALUE_LEN 32

enum kind {
	KIND_SIZE,   /* 8M */
	KIND_NUMBER, /* 64 */
	KIND_SWITCH, /* on, off */
};

static const char *const kind_text[] = {
	[KIND_SIZE] = "a size like 64K, 8M or 1T",
	[KIND_NUMBER] = "a number",
	[KIND_SWITCH] = "on or off",
};

static const struct {
	const char *name;
	enum kind kind;
} table[SF_OPTION_NR] = {
	[SF_OPTION_RETAIN] = { "retain", KIND_SIZE },
	[SF_OPTION_TRAP] = { "trap", KIND_SWITCH },
	[SF_OPTION_REGION] = { "region", KIND_SIZE },
	[SF_OPTION_AHEAD] = { "ahead", KIND_SIZE },
	[SF_OPTION_VIEW_RESERVE] = { "view_reserve", KIND_NUMBER },
};

_Atomic size_t sf_options[SF_OPTION_NR] = {
	[SF_OPTION_RETAIN] = 0,
	[SF_OPTION_TRAP] = 1,
	[SF_OPTION_REGION] = (size_t)1 << 40,
	[SF_OPTION_AHEAD] = (size_t)64 << 20,
	[SF_OPTION_VIEW_RESERVE] = 64,
};

static _Atomic unsigned is_set; /* a bit for each option */

bool sf_option_is_set(enum sf_option option)
{
	/* Relaxed: as sf_option(). */
	return (atomic_load_explicit(&is_set, memory_order_relaxed) >> option &
		1) != 0;
}

/* Digits at text; returns what follows, or NULL: no digit, or too large. */
static const char *parse_digits(const char *text, size_t *out)
{
	const char *at = text;
	size_t value = 0;

	for (; *at >= '0' && *at <= '9'; at++) {
		size_t digit = (size_t)(*at - '0');

		if (value > (SIZE_MAX - digit) / 10)
			return NULL;
		value = value * 10 + digit;
	}
	*out = value;
	return at != text ? at : NULL;
}

static bool parse_size(const char *text, size_t *out)
{
	static const char units[] = "KMGT";
	const char *rest = parse_digits(text, out);
	const char *unit;
	unsigned shift;

	if (rest == NULL)
		return false;
	if (*rest == '\0')
		return true;
	unit = strchr(units, *rest >= 'a' ? *rest - ('a' - 'A') : *rest);
	if (unit == NULL || rest[1] != '\0')
		return false;
	shift = 10 * (unsigned)(unit - units + 1);
	if (*out > SIZE_MAX >> shift)
		return false;
	*out <<= shift;
	return true;
}

static bool parse(enum kind kind, const char *text, size_t *out)
{
	const char *rest;

	switch (kind) {
	case KIND_SIZE:
		return parse_size(text, out);
	case KIND_NUMBER:
		rest = parse_digits(text, out);
		return rest != NULL && *rest == '\0';
	case KIND_SWITCH:
		*out = strcmp(text, "on") == 0;
		return *out != 0 || strcmp(text, "off") == 0;
	}
	return false;
}

int sf_option_set(const char *where, const char *name, const char *value)
{
	size_t parsed;

	for (size_t i = 0; i < SF_OPTION_NR; i++) {
		if (strcmp(table[i].name, name) != 0)
			continue;
		if (!parse(table[i].kind, value, &parsed)) {
			sf_warn("%s: %s=%s: expected %s", where, name, value,
				kind_text[table[i].kind]);
			return -EINVAL;
		}
		atomic_store_explicit(&sf_options[i], parsed,
				      memory_order_relaxed);
		atomic_fetch_or_explicit(&is_set, 1u << i,
					 memory_order_relaxed);
		return 0;
	}
	sf_warn("%s: unknown option \"%s\"; valid are retain=SIZE, "
		"trap=on|off, region=SIZE, ahead=SIZE, view_reserve=N",
		where, name);
	return -EINVAL;
}

/* One "name=value" of len bytes. */
static void parse_item(const char *where, const char *item, size_t len)
{
	char name[NAME_LEN];
	char value[VALUE_LEN];
	const char *equals = memchr(item, '=', len);
	size_t name_len = equals != NULL ? (size_t)(equals - item) : len;
	size_t value_len = equals != NULL ? len - name_len - 1 : 0;

	if (equals == NULL || name_len >= NAME_LEN || value_len >= VALUE_LEN) {
		sf_warn("%s: \"%.*s\" is not of the form name=value", where,
			(int)sf_min(len, 64), item);
		return;
	}
	memcpy(name, item, name_len);
	name[name_len] = '\0';
	memcpy(value, equals + 1, value_len);
	value[value_len] = '\0';
	sf_option_set(where, name, value);
}

void sf_option_parse(const char *where, const char *text)
{
	while (*text != '\0') {
		size_t len = strcspn(text, ",");

		if (len > 0)
			parse_item(where, text, len);
		text += len;
		text += *text == ',';
	}
}
