// SPDX-License-Identifier: MIT
/*
 * os/probe on kernels that refuse: the answer is no, it is asked once, and the
 * trial leaves nothing behind that could hurt the next.
 */
#include <errno.h>

#include "os/page.h"
#include "os/probe.h"
#include "refuse.h"
#include "test.h"

/* The features that are asked with madvise(). */
static const enum sf_feature advices[] = {
	SF_FEATURE_GUARD,
	SF_FEATURE_DONTNEED_LOCKED,
	SF_FEATURE_POPULATE_WRITE,
};

static void what_is_refused_is_not_there(void)
{
	refuse(__NR_madvise, EINVAL, 0, REFUSE_ALWAYS);
	for (size_t i = 0; i < TEST_COUNT(advices); i++)
		CHECK(!sf_probe_has(advices[i]));
	CHECK(!sf_probe_has(SF_FEATURE_TABLE_RECLAIM));
}

static void an_answer_is_asked_for_once(void)
{
	bool answers[SF_FEATURE_NR];

	sf_probe_init();
	for (int i = 0; i < SF_FEATURE_NR; i++)
		answers[i] = sf_probe_has((enum sf_feature)i);
	refuse(__NR_madvise, EINVAL, 0, REFUSE_ALWAYS);
	refuse(__NR_openat, EACCES, 0, REFUSE_ALWAYS);
	refuse(__NR_mmap, ENOMEM, 0, REFUSE_ALWAYS);
	sf_probe_init();
	for (int i = 0; i < SF_FEATURE_NR; i++)
		CHECK_EQ(sf_probe_has((enum sf_feature)i), answers[i]);
	CHECK_EQ(refuse_seen(), 0);
}

static void no_is_remembered_too(void)
{
	refuse(__NR_madvise, EINVAL, 0, REFUSE_ALWAYS);
	sf_probe_init();
	refuse_nothing();
	for (size_t i = 0; i < TEST_COUNT(advices); i++)
		CHECK(!sf_probe_has(advices[i]));
}

/* One call of a trial fails: whatever the answer, the others are right. */
static void a_trial_that_breaks_off_spoils_no_other(void)
{
	bool want[SF_FEATURE_NR];

	for (int i = 0; i < SF_FEATURE_NR; i++)
		want[i] = sf_features[i].probe();
	for (int at = 0; at < 12; at++) {
		refuse(__NR_madvise, ENOMEM, at, 1);
		for (int i = 0; i < SF_FEATURE_NR; i++)
			sf_features[i].probe();
		refuse_nothing();
		for (int i = 0; i < SF_FEATURE_NR; i++)
			CHECK_EQ(sf_features[i].probe(), want[i]);
	}
}

static void trying_leaves_no_mapping_behind(void)
{
	long before;

	sf_features[SF_FEATURE_TABLE_RECLAIM].probe();
	before = test_mappings();
	for (int nr = 0; nr < 8; nr++) {
		refuse(__NR_madvise, ENOMEM, nr, 1);
		sf_features[SF_FEATURE_TABLE_RECLAIM].probe();
		refuse_nothing();
		refuse(__NR_openat, EMFILE, nr, 1);
		sf_features[SF_FEATURE_TABLE_RECLAIM].probe();
		sf_features[SF_FEATURE_HUGE].probe();
		refuse_nothing();
		refuse(__NR_mprotect, ENOMEM, nr, 1);
		sf_features[SF_FEATURE_TABLE_RECLAIM].probe();
		refuse_nothing();
		CHECK_EQ(test_mappings(), before);
	}
	refuse(__NR_mmap, ENOMEM, 0, 1);
	CHECK(!sf_features[SF_FEATURE_TABLE_RECLAIM].probe());
}

static void without_the_file_there_are_no_huge_pages(void)
{
	refuse(__NR_openat, ENOENT, 0, REFUSE_ALWAYS);
	CHECK(!sf_probe_has(SF_FEATURE_HUGE));
}

static const struct test tests[] = {
	{ "what is refused is not there", what_is_refused_is_not_there },
	{ "an answer is asked for once", an_answer_is_asked_for_once },
	{ "no is remembered too", no_is_remembered_too },
	{ "a trial that breaks off spoils no other",
	  a_trial_that_breaks_off_spoils_no_other },
	{ "trying leaves no mapping behind", trying_leaves_no_mapping_behind },
	{ "without the file there are no huge pages",
	  without_the_file_there_are_no_huge_pages },
};

int main(int argc, char **argv)
{
	sf_page_init();
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
