// SPDX-License-Identifier: MIT
/*
 * Unknown and malformed options are reported with the valid ones, in one line
 * that says where they came from; they change nothing and end nothing.
 */
#include "test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aborts.h"
#include "extra.h"
#include "surefree.h"

#define VALID                                                           \
	"valid are retain=SIZE, trap=on|off, region=SIZE, ahead=SIZE, " \
	"view_reserve=N, fence, hardened, backtrace, stats=exit|off, "  \
	"profile=FILE|off, sample=SIZE, profile_signal=N, "             \
	"threads=on|off\n"
#define SIZE_WORDS "a size like 64K, 8M or 1T\n"

static const char *option;
static const char *value;

static void set_option(void)
{
	CHECK_ERRNO(surefree_set(option, value), EINVAL);
}

static void check_refused(const char *name, const char *text, const char *words)
{
	char got[512];
	char want[512];

	option = name;
	value = text;
	CHECK_EQ(aborts_capture(set_option, got, sizeof(got)), 0);
	snprintf(want, sizeof(want), "surefree: surefree_set: %s", words);
	CHECK_STR(got, want);
}

static void unknown_options_are_refused(void)
{
	check_refused("bogus", "1", "unknown option \"bogus\"; " VALID);
	check_refused("", "1", "unknown option \"\"; " VALID);
	check_refused("retain ", "1", "unknown option \"retain \"; " VALID);
	check_refused("RETAIN", "1", "unknown option \"RETAIN\"; " VALID);
}

static void malformed_values_are_refused(void)
{
	check_refused("retain", "", "retain=: expected " SIZE_WORDS);
	check_refused("retain", "M", "retain=M: expected " SIZE_WORDS);
	check_refused("retain", "-1", "retain=-1: expected " SIZE_WORDS);
	check_refused("retain", "1.5M", "retain=1.5M: expected " SIZE_WORDS);
	check_refused("retain", "8MB", "retain=8MB: expected " SIZE_WORDS);
	check_refused("retain", "0x10", "retain=0x10: expected " SIZE_WORDS);
	check_refused("retain", "99999999999999999999",
		      "retain=99999999999999999999: expected " SIZE_WORDS);
	check_refused("retain", "99999999T",
		      "retain=99999999T: expected " SIZE_WORDS);
	check_refused("trap", "1", "trap=1: expected on or off\n");
	check_refused("trap", "ON", "trap=ON: expected on or off\n");
	check_refused("view_reserve", "1K",
		      "view_reserve=1K: expected a number\n");
}

static void modes_are_set_at_start_only(void)
{
	check_refused("fence", "on",
		      "fence: only SUREFREE_OPTIONS can set it, at start\n");
	check_refused("hardened", "off",
		      "hardened: only SUREFREE_OPTIONS can set it, at start\n");
}

static void well_formed_values_are_taken(void)
{
	static const char *const sizes[] = { "0",  "1",	 "4096", "64K",
					     "8m", "1G", "1T" };

	for (size_t i = 0; i < TEST_COUNT(sizes); i++)
		CHECK_OK(surefree_set("retain", sizes[i]));
	CHECK_OK(surefree_set("trap", "off"));
	CHECK_EQ(extra_stats().trap, test_has_guard() ?
					     SUREFREE_TRAP_OFF_OPTION :
					     SUREFREE_TRAP_OFF_KERNEL);
	CHECK_OK(surefree_set("trap", "on"));
	CHECK_OK(surefree_set("view_reserve", "0"));
	CHECK_OK(surefree_set("ahead", "1M"));
	CHECK_OK(surefree_set("region", "1G"));
}

static void start_again(void)
{
	char *args[] = { (char *)"options", (char *)"[started]", NULL };

	setenv("SUREFREE_OPTIONS", value, 1);
	execv("/proc/self/exe", args);
	_exit(TEST_CHILD_FAILED);
}

static void check_environment(const char *text, const char *words)
{
	char got[1024];

	value = text;
	CHECK_EQ(aborts_capture(start_again, got, sizeof(got)), 0);
	CHECK_STR(got, words);
}

static void bad_options_in_the_environment_are_reported(void)
{
	if (test_emulated())
		SKIP("programs are not started as they are");
	check_environment("bogus=1",
			  "surefree: SUREFREE_OPTIONS: unknown option "
			  "\"bogus\"; " VALID);
	check_environment("retain",
			  "surefree: SUREFREE_OPTIONS: \"retain\" is not of "
			  "the form name=value\n");
	check_environment(
		"retain=x",
		"surefree: SUREFREE_OPTIONS: retain=x: expected " SIZE_WORDS);
	check_environment("retain=8M,,trap=maybe,view_reserve=9",
			  "surefree: SUREFREE_OPTIONS: trap=maybe: expected "
			  "on or off\n");
	check_environment("fence=maybe",
			  "surefree: SUREFREE_OPTIONS: fence=maybe: expected "
			  "on or off\n");
	check_environment("trap=on,", "");
	check_environment("trap,fence=off,hardened=off", "");
	check_environment("", "");
}

/* In the new program: memory can be had whatever the options were. */
static void started(void)
{
	char *p = surefree_map(1, 0);

	if (p != NULL)
		surefree_unmap(p, 1);
	CHECK(p != NULL);
}

static void check_started_with(void)
{
	const char *text = getenv("SUREFREE_OPTIONS");
	struct surefree_stats s = extra_stats();

	if (text != NULL && strcmp(text, "region=64M,trap=off") == 0) {
		CHECK_LE(s.reserved_len, (size_t)160 << 20);
		CHECK_NE(s.trap, SUREFREE_TRAP_ON);
	}
	started();
}

static void good_options_in_the_environment_are_taken(void)
{
	if (test_emulated())
		SKIP("programs are not started as they are");
	check_environment("region=64M,trap=off", "");
	check_environment("retain=8M,view_reserve=1,ahead=1M", "");
}

static const struct test tests[] = {
	{ "unknown options are refused", unknown_options_are_refused },
	{ "malformed values are refused", malformed_values_are_refused },
	{ "modes are set at start only", modes_are_set_at_start_only },
	{ "well-formed values are taken", well_formed_values_are_taken },
	{ "bad options in the environment are reported",
	  bad_options_in_the_environment_are_reported },
	{ "good options in the environment are taken",
	  good_options_in_the_environment_are_taken },
};

static const struct test again[] = {
	{ "[started]", check_started_with },
};

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "[started]") == 0)
		return test_main(argc, argv, again, 1);
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
