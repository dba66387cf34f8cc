// SPDX-License-Identifier: MIT
/* The table of options and their parser, see option.h. Allocates nothing. */
#include "base/option.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/compiler.h"
#include "base/log.h"

#define NAME_LEN  32
#define VALUE_LEN 4096 /* PATH_MAX */

enum kind {
	KIND_SIZE,   /* 8M */
	KIND_NUMBER, /* 64 */
	KIND_SIGNAL, /* 12 */
	KIND_SWITCH, /* on, off */
	KIND_EXIT,   /* exit, off */
	KIND_FILE,   /* a file, off */
};

static const char *const kind_text[] = {
	[KIND_SIZE] = "a size like 64K, 8M or 1T",
	[KIND_NUMBER] = "a number",
	[KIND_SIGNAL] = "a signal like 12 that can be caught, of no error",
	[KIND_SWITCH] = "on or off",
	[KIND_EXIT] = "exit or off",
	[KIND_FILE] = "the name of a file, or off",
};

static const struct {
	const char *name;
	enum kind kind;
	bool at_start; /* by SUREFREE_OPTIONS only */
} table[SF_OPTION_NR] = {
	[SF_OPTION_RETAIN] = { "retain", KIND_SIZE, false },
	[SF_OPTION_TRAP] = { "trap", KIND_SWITCH, false },
	[SF_OPTION_REGION] = { "region", KIND_SIZE, false },
	[SF_OPTION_AHEAD] = { "ahead", KIND_SIZE, false },
	[SF_OPTION_VIEW_RESERVE] = { "view_reserve", KIND_NUMBER, false },
	[SF_OPTION_FENCE] = { "fence", KIND_SWITCH, true },
	[SF_OPTION_HARDENED] = { "hardened", KIND_SWITCH, true },
	[SF_OPTION_BACKTRACE] = { "backtrace", KIND_SWITCH, true },
	[SF_OPTION_STATS] = { "stats", KIND_EXIT, false },
	[SF_OPTION_PROFILE] = { "profile", KIND_FILE, false },
	[SF_OPTION_SAMPLE] = { "sample", KIND_SIZE, false },
	[SF_OPTION_PROFILE_SIGNAL] = { "profile_signal", KIND_SIGNAL, true },
	[SF_OPTION_MMAP] = { "mmap", KIND_SWITCH, true },
	[SF_OPTION_THREADS] = { "threads", KIND_SWITCH, true },
};

_Atomic size_t sf_options[SF_OPTION_NR] = {
	[SF_OPTION_RETAIN] = 0,
	[SF_OPTION_TRAP] = 1,
	[SF_OPTION_REGION] = (size_t)1 << 40,
	[SF_OPTION_AHEAD] = (size_t)64 << 20,
	[SF_OPTION_VIEW_RESERVE] = 64,
	[SF_OPTION_SAMPLE] = (size_t)512 << 10,
	[SF_OPTION_MMAP] = 1,
	[SF_OPTION_THREADS] = 1,
};

static char profile[VALUE_LEN];

static _Atomic unsigned is_set; /* a bit for each option */

bool sf_option_is_set(enum sf_option option)
{
	/* Relaxed: as sf_option(). */
	return (atomic_load_explicit(&is_set, memory_order_relaxed) >> option &
		1) != 0;
}

const char *sf_option_profile(void)
{
	return profile;
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

static bool parse_file(const char *text, size_t *out)
{
	size_t len = strlen(text);

	if (len == 0 || len >= sizeof(profile))
		return false;
	/* The file stays, for who switches on again. */
	*out = strcmp(text, "off") != 0;
	if (*out != 0)
		memcpy(profile, text, len + 1);
	return true;
}

/* One of two words; *out: whether it is the first. */
static bool parse_word(const char *text, const char *yes, size_t *out)
{
	*out = strcmp(text, yes) == 0;
	return *out != 0 || strcmp(text, "off") == 0;
}

static bool parse_number(const char *text, size_t *out)
{
	const char *rest = parse_digits(text, out);

	return rest != NULL && *rest == '\0';
}

/* A handler that returns would hide an error, or have it again for ever. */
static bool is_of_error(size_t signal)
{
	return signal == SIGSEGV || signal == SIGBUS || signal == SIGFPE ||
	       signal == SIGILL || signal == SIGTRAP || signal == SIGSYS ||
	       signal == SIGABRT;
}

static bool parse_signal(const char *text, size_t *out)
{
	return parse_number(text, out) && *out < NSIG && *out != SIGKILL &&
	       *out != SIGSTOP && !is_of_error(*out);
}

static bool parse(enum kind kind, const char *text, size_t *out)
{
	switch (kind) {
	case KIND_SIZE:
		return parse_size(text, out);
	case KIND_NUMBER:
		return parse_number(text, out);
	case KIND_SIGNAL:
		return parse_signal(text, out);
	case KIND_SWITCH:
		return parse_word(text, "on", out);
	case KIND_EXIT:
		return parse_word(text, "exit", out);
	case KIND_FILE:
		return parse_file(text, out);
	}
	return false;
}

/* The option of this name, or SF_OPTION_NR. */
static enum sf_option find(const char *name)
{
	unsigned i = 0;

	while (i < SF_OPTION_NR && strcmp(table[i].name, name) != 0)
		i++;
	return (enum sf_option)i;
}

static int set(const char *where, enum sf_option option, const char *value)
{
	size_t parsed;

	if (!parse(table[option].kind, value, &parsed)) {
		sf_warn("%s: %s=%s: expected %s", where, table[option].name,
			value, kind_text[table[option].kind]);
		return -EINVAL;
	}
	atomic_store_explicit(&sf_options[option], parsed,
			      memory_order_relaxed);
	atomic_fetch_or_explicit(&is_set, 1u << option, memory_order_relaxed);
	return 0;
}

static int unknown(const char *where, const char *name)
{
	sf_warn("%s: unknown option \"%s\"; valid are retain=SIZE, "
		"trap=on|off, region=SIZE, ahead=SIZE, view_reserve=N, "
		"fence, hardened, backtrace, stats=exit|off, profile=FILE|off, "
		"sample=SIZE, profile_signal=N, mmap=on|off, threads=on|off",
		where, name);
	return -EINVAL;
}

int sf_option_set(const char *where, const char *name, const char *value)
{
	enum sf_option option = find(name);

	if (option == SF_OPTION_NR)
		return unknown(where, name);
	if (table[option].at_start) {
		sf_warn("%s: %s: only SUREFREE_OPTIONS can set it, at start",
			where, name);
		return -EINVAL;
	}
	return set(where, option, value);
}

static bool is_switch(enum sf_option option)
{
	return option != SF_OPTION_NR && table[option].kind == KIND_SWITCH;
}

/* One "name=value" of len bytes, or the name of a switch. */
static void parse_item(const char *where, const char *item, size_t len)
{
	char name[NAME_LEN];
	char value[VALUE_LEN] = "on";
	const char *equals = memchr(item, '=', len);
	size_t name_len = equals != NULL ? (size_t)(equals - item) : len;
	size_t value_len = equals != NULL ? len - name_len - 1 : 0;
	enum sf_option option = SF_OPTION_NR;

	if (name_len < NAME_LEN) {
		memcpy(name, item, name_len);
		name[name_len] = '\0';
		option = find(name);
	}
	if (name_len >= NAME_LEN || value_len >= VALUE_LEN ||
	    (equals == NULL && !is_switch(option))) {
		sf_warn("%s: \"%.*s\" is not of the form name=value", where,
			(int)sf_min(len, 64), item);
		return;
	}
	if (equals != NULL) {
		memcpy(value, equals + 1, value_len);
		value[value_len] = '\0';
	}
	if (option == SF_OPTION_NR)
		unknown(where, name);
	else
		set(where, option, value);
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
