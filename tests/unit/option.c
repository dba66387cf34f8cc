// SPDX-License-Identifier: MIT
/*
 * base/option: what values are read as. What is said about bad ones is shown
 * by misuse/options.c.
 */
#include "base/option.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "test.h"

/* The lines about bad values are not looked at here. */
static void be_silent(void)
{
	int fd = open("/dev/null", O_WRONLY);

	if (fd >= 0)
		dup2(fd, STDERR_FILENO);
}

static void check_size(const char *text, size_t want)
{
	CHECK_EQ(sf_option_set("test", "retain", text), 0);
	CHECK_EQ(sf_option(SF_OPTION_RETAIN), want);
}

static void sizes_are_read(void)
{
	check_size("0", 0);
	check_size("1", 1);
	check_size("4096", 4096);
	check_size("64K", (size_t)64 << 10);
	check_size("64k", (size_t)64 << 10);
	check_size("8M", (size_t)8 << 20);
	check_size("3G", (size_t)3 << 30);
	check_size("2T", (size_t)2 << 40);
	check_size("007", 7);
	check_size("18446744073709551615", SIZE_MAX);
	check_size("16777215T", (size_t)16777215 << 40);
}

static void check_bad(const char *name, const char *const *values, size_t nr)
{
	size_t nr_taken = 0;

	for (size_t i = 0; i < nr; i++)
		nr_taken += sf_option_set("test", name, values[i]) != -EINVAL;
	CHECK_EQ(nr_taken, 0);
}

static void the_defaults_are_those_of_the_manual(void)
{
	CHECK_EQ(sf_option(SF_OPTION_RETAIN), 0);
	CHECK_EQ(sf_option(SF_OPTION_TRAP), 1);
	CHECK_EQ(sf_option(SF_OPTION_AHEAD), (size_t)64 << 20);
	CHECK_EQ(sf_option(SF_OPTION_REGION), (size_t)1 << 40);
	CHECK_EQ(sf_option(SF_OPTION_VIEW_RESERVE), 64);
}

static void a_switch_is_on_or_off(void)
{
	static const char *const bad[] = { "",	 "1",	"0",   "yes",
					   "ON", "on ", "onn", "o" };

	be_silent();
	CHECK_EQ(sf_option_set("test", "trap", "off"), 0);
	CHECK_EQ(sf_option(SF_OPTION_TRAP), 0);
	check_bad("trap", bad, TEST_COUNT(bad));
	CHECK_EQ(sf_option(SF_OPTION_TRAP), 0);
	CHECK_EQ(sf_option_set("test", "trap", "on"), 0);
	CHECK_EQ(sf_option(SF_OPTION_TRAP), 1);
}

static void a_number_has_no_unit(void)
{
	static const char *const bad[] = { "", "1K", "k", "-1", "0x10" };

	be_silent();
	CHECK_EQ(sf_option_set("test", "view_reserve", "1000"), 0);
	check_bad("view_reserve", bad, TEST_COUNT(bad));
	CHECK_EQ(sf_option(SF_OPTION_VIEW_RESERVE), 1000);
}

static void check_signal(int number, bool taken)
{
	char text[64];

	sf_option_parse("test", "profile_signal=12");
	snprintf(text, sizeof(text), "profile_signal=%d", number);
	sf_option_parse("test", text);
	CHECK_EQ(sf_option(SF_OPTION_PROFILE_SIGNAL),
		 taken ? (size_t)number : 12);
}

static void a_signal_is_none_of_an_error(void)
{
	static const int bad[] = { SIGSEGV, SIGBUS,  SIGFPE,  SIGILL,  SIGABRT,
				   SIGTRAP, SIGSYS,  SIGKILL, SIGSTOP, NSIG,
				   1000,    INT_MAX, -1 };
	static const int good[] = { 0,	     SIGHUP,  SIGUSR1,	SIGUSR2,
				    SIGPROF, SIGTERM, SIGWINCH, NSIG - 1 };

	be_silent();
	for (size_t i = 0; i < TEST_COUNT(bad); i++)
		check_signal(bad[i], false);
	for (size_t i = 0; i < TEST_COUNT(good); i++)
		check_signal(good[i], true);
}

static void names_are_matched_whole(void)
{
	static const char *const bad[] = { "",	     "retai",	"retainn",
					   "RETAIN", "retain ", " retain" };

	be_silent();
	for (size_t i = 0; i < TEST_COUNT(bad); i++)
		CHECK_EQ(sf_option_set("test", bad[i], "1"), -EINVAL);
	CHECK_EQ(sf_option(SF_OPTION_RETAIN), 0);
}

/* All units of all lengths that fit, and the first that does not. */
static void a_size_never_wraps(void)
{
	static const char units[] = "KMGT";

	be_silent();
	for (unsigned i = 0; i < 4; i++) {
		unsigned shift = 10 * (i + 1);
		char text[32];

		snprintf(text, sizeof(text), "%zu%c", SIZE_MAX >> shift,
			 units[i]);
		check_size(text, SIZE_MAX >> shift << shift);
		snprintf(text, sizeof(text), "%zu%c", (SIZE_MAX >> shift) + 1,
			 units[i]);
		CHECK_EQ(sf_option_set("test", "retain", text), -EINVAL);
		check_size("3", 3);
	}
}

static void a_bad_value_leaves_the_old_one(void)
{
	static const char *const bad[] = {
		"",	     "K",    "-1",    "+1",
		" 1",	     "1 ",   "1KB",   "1P",
		"0x1",	     "1.0M", "1,000", "18446744073709551616",
		"16777216T",
	};
	size_t nr_taken = 0;

	check_size("12345", 12345);
	be_silent();
	for (size_t i = 0; i < TEST_COUNT(bad); i++)
		nr_taken += sf_option_set("test", "retain", bad[i]) != -EINVAL;
	CHECK_EQ(nr_taken, 0);
	CHECK_EQ(sf_option(SF_OPTION_RETAIN), 12345);
}

static void a_list_sets_what_is_well_formed(void)
{
	be_silent();
	sf_option_parse("test", "retain=1M,trap=off");
	CHECK_EQ(sf_option(SF_OPTION_RETAIN), (size_t)1 << 20);
	CHECK_EQ(sf_option(SF_OPTION_TRAP), 0);
	sf_option_parse("test", ",,bad,retain=x,=,trap=on,,view_reserve=7,");
	CHECK_EQ(sf_option(SF_OPTION_RETAIN), (size_t)1 << 20);
	CHECK_EQ(sf_option(SF_OPTION_TRAP), 1);
	CHECK_EQ(sf_option(SF_OPTION_VIEW_RESERVE), 7);
	sf_option_parse("test", "");
	sf_option_parse("test", "retain=2M,retain=3M");
	CHECK_EQ(sf_option(SF_OPTION_RETAIN), (size_t)3 << 20);
}

static void an_item_too_long_is_refused(void)
{
	char text[4096];

	be_silent();
	check_size("5", 5);
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	sf_option_parse("test", text);
	memcpy(text, "retain=", 7);
	memset(text + 7, '1', sizeof(text) - 8);
	sf_option_parse("test", text);
	text[100] = ',';
	memcpy(text + 101, "ahead=9,", 8);
	sf_option_parse("test", text);
	CHECK_EQ(sf_option(SF_OPTION_RETAIN), 5);
	CHECK_EQ(sf_option(SF_OPTION_AHEAD), 9);
}

static const struct test tests[] = {
	{ "sizes are read", sizes_are_read },
	{ "the defaults are those of the manual",
	  the_defaults_are_those_of_the_manual },
	{ "a switch is on or off", a_switch_is_on_or_off },
	{ "a number has no unit", a_number_has_no_unit },
	{ "a signal is none of an error", a_signal_is_none_of_an_error },
	{ "names are matched whole", names_are_matched_whole },
	{ "a size never wraps", a_size_never_wraps },
	{ "a bad value leaves the old one", a_bad_value_leaves_the_old_one },
	{ "a list sets what is well-formed", a_list_sets_what_is_well_formed },
	{ "an item too long is refused", an_item_too_long_is_refused },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
