// SPDX-License-Identifier: MIT
/* os/probe and os/limit: the answers are those that others get. */
#include "os/probe.h"

#include <string.h>
#include <sys/resource.h>

#include "os/limit.h"
#include "os/page.h"
#include "test.h"

static void the_answers_fit_the_kernel(void)
{
	sf_page_init();
	sf_probe_init();
	CHECK_EQ(sf_probe_has(SF_FEATURE_GUARD), test_has_guard());
	if (test_emulated())
		return;
	CHECK_EQ(sf_probe_has(SF_FEATURE_DONTNEED_LOCKED),
		 test_kernel_since(5, 18));
	CHECK_EQ(sf_probe_has(SF_FEATURE_POPULATE_WRITE),
		 test_kernel_since(5, 14));
	if (!test_kernel_since(6, 14))
		CHECK(!sf_probe_has(SF_FEATURE_TABLE_RECLAIM));
}

static void asking_takes_no_mapping(void)
{
	sf_page_init();
	if (!test_fill(0))
		return;
	sf_probe_init();
	CHECK_EQ(test_mappings(), test_limit());
	test_unfill();
	CHECK_EQ(sf_probe_has(SF_FEATURE_GUARD), test_has_guard());
}

static void every_row_has_its_words(void)
{
	for (size_t i = 0; i < SF_FEATURE_NR; i++) {
		CHECK_GT(strlen(sf_features[i].name), 0);
		CHECK_GT(strlen(sf_features[i].since), 0);
		CHECK_GT(strlen(sf_features[i].use), 0);
		CHECK_GT(strlen(sf_features[i].without), 0);
		CHECK(sf_features[i].probe != NULL);
	}
}

/* Lowered for a moment only: sanitizers need more to end. */
static void check_limit(__rlimit_resource_t resource, size_t (*read)(void),
			size_t value)
{
	struct rlimit limit;
	struct rlimit lower;

	getrlimit(resource, &limit);
	lower = limit;
	lower.rlim_cur = value;
	CHECK_OK(setrlimit(resource, &lower));
	CHECK_EQ(read(), value);
	CHECK_OK(setrlimit(resource, &limit));
}

static void the_limits_are_read(void)
{
	size_t nr = 0;

	CHECK_EQ(sf_limit_mappings(&nr), 0);
	CHECK_EQ(nr, test_limit());
	if (test_emulated())
		SKIP("an emulator keeps these limits from us");
	check_limit(RLIMIT_AS, sf_limit_address_space, (size_t)1 << 40);
	check_limit(RLIMIT_DATA, sf_limit_data, (size_t)1 << 39);
}

static void no_limit_is_the_largest_size(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_AS, &limit);
	if (limit.rlim_cur != RLIM_INFINITY)
		SKIP("RLIMIT_AS is set");
	CHECK_EQ(sf_limit_address_space(), SIZE_MAX);
}

static const struct test tests[] = {
	{ "the answers fit the kernel", the_answers_fit_the_kernel },
	{ "asking takes no mapping", asking_takes_no_mapping },
	{ "every row has its words", every_row_has_its_words },
	{ "the limits are read", the_limits_are_read },
	{ "no limit is the largest size", no_limit_is_the_largest_size },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
