// SPDX-License-Identifier: MIT
/*
 * vm/release: whichever rung of the ladder is refused, the pages are back with
 * the kernel afterwards, and what the ladder says of them is true.
 */
#include "vm/release.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/page.h"
#include "os/probe.h"
#include "refuse.h"
#include "test.h"

#define TABLE_LEN ((size_t)2 << 20)
#define LONG_LEN  ((size_t)1 << 20) /* beyond SF_TRAP_WHOLE_LEN */

static struct sf_release release;

/* len read-write bytes on a TABLE_LEN boundary, nothing touched around. */
static char *map(size_t len)
{
	size_t all = sf_align_up(len, TABLE_LEN) + 2 * TABLE_LEN;
	uintptr_t start;
	uintptr_t addr;

	sf_probe_init();
	if (!CHECK_EQ(sf_page_reserve(all, &start), 0))
		return NULL;
	sf_page_set_huge(start, all, false);
	addr = sf_align_up(start + 1, TABLE_LEN);
	CHECK_EQ(sf_page_commit(addr, len), 0);
	return (char *)addr;
}

static char *map_touched(size_t len)
{
	char *p = map(len);

	if (p != NULL)
		memset(p, 'r', len);
	return p;
}

static void start(const char *addr, size_t len, bool trap)
{
	release = (struct sf_release){
		.addr = (uintptr_t)addr,
		.len = len,
		.table_len = TABLE_LEN,
		.trap = trap,
	};
}

static void run(char *addr, size_t len, bool trap)
{
	start(addr, len, trap);
	sf_release(&release);
	refuse_nothing();
}

/* What was released is gone, and reads as zeros when it can be touched. */
static void check_gone(char *addr, size_t len)
{
	CHECK(!release.stuck);
	if (test_emulated())
		return;
	CHECK_EQ(test_resident(addr, len), 0);
	CHECK(!sf_page_any_resident((uintptr_t)addr, len));
}

static void check_zero(const char *addr, size_t len)
{
	size_t nr = 0;

	for (size_t i = 0; i < len && !test_emulated(); i++)
		nr += addr[i] != 0;
	CHECK_EQ(nr, 0);
}

static void check_traps(char *addr, size_t len)
{
	for (size_t at = 0; at < len; at += sf_page_size)
		if (!CHECK_EQ(test_touches(addr + at), 1))
			return;
}

static bool no_trap(void)
{
	if (!test_has_guard())
		test_skip("no guard markers");
	return !test_has_guard();
}

/*
 * Without a trap
 */

static void pages_go_back(void)
{
	char *p = map_touched(LONG_LEN);

	run(p + sf_page_size, LONG_LEN - 2 * sf_page_size, false);
	check_gone(p + sf_page_size, LONG_LEN - 2 * sf_page_size);
	check_zero(p + sf_page_size, LONG_LEN - 2 * sf_page_size);
	CHECK_EQ(*p, 'r');
	CHECK_EQ(p[LONG_LEN - 1], 'r');
	CHECK(!release.was_locked && !release.trap_skipped);
	CHECK(!release.marked_all && !release.marked_head &&
	      !release.marked_tail);
}

static void an_answer_to_try_again_is_heeded(void)
{
	char *p = map_touched(LONG_LEN);

	refuse(__NR_madvise, EAGAIN, 0, 7);
	run(p, LONG_LEN, false);
	check_gone(p, LONG_LEN);
	CHECK(!release.was_locked);
}

/* Each refusal of the first n calls leads to another that does it. */
static void any_refused_calls_are_made_up_for(void)
{
	static const long errors[] = { EAGAIN, ENOMEM, EINVAL, EPERM };

	for (size_t i = 0; i < TEST_COUNT(errors); i++) {
		int most = errors[i] == EAGAIN ? 24 : 3;

		for (int nr = 1; nr <= most; nr++) {
			char *p = map_touched(sf_page_size * 4);

			refuse(__NR_madvise, errors[i], 0, nr);
			run(p, sf_page_size * 4, false);
			check_gone(p, sf_page_size * 4);
			check_zero(p, sf_page_size * 4);
		}
	}
}

static void unmapped_memory_is_stuck(void)
{
	char *p = map_touched(LONG_LEN);

	CHECK_OK(munmap(p + LONG_LEN / 2, sf_page_size));
	run(p, LONG_LEN, false);
	if (test_emulated())
		SKIP("an emulator may ignore the advice");
	CHECK(release.stuck);
	CHECK(!release.was_locked);
	/* As much as can be is given back all the same. */
	CHECK_EQ(test_resident(p, LONG_LEN / 2), 0);
}

static void what_is_never_taken_back_is_stuck(void)
{
	char *p = map_touched(sf_page_size);

	refuse(__NR_madvise, ENOMEM, 0, REFUSE_ALWAYS);
	run(p, sf_page_size, false);
	CHECK(release.stuck);
	CHECK_EQ(*p, 'r');
}

/*
 * Locked
 */

/* A raw call: sanitizers make mlock() do nothing. */
static bool lock(char *addr, size_t len)
{
	if (syscall(SYS_mlock, addr, len) == 0)
		return true;
	test_skip("mlock: %s", strerror(errno));
	return false;
}

static void the_lock_of_what_is_released_goes(void)
{
	size_t len = 8 * sf_page_size;
	char *p = map_touched(len);

	if (!lock(p, len))
		return;
	run(p, len, false);
	if (test_emulated())
		SKIP("an emulator may ignore the advice");
	CHECK(release.was_locked);
	check_gone(p, len);
	CHECK_EQ(test_status("VmLck"), 0);
	*p = 1;
	CHECK_EQ(test_resident(p, len), sf_page_size);
}

static void several_locked_pieces_are_unlocked(void)
{
	size_t page = sf_page_size;
	char *p = map_touched(8 * page);

	if (!lock(p + page, page) || !lock(p + 4 * page, 2 * page))
		return;
	run(p, 8 * page, false);
	if (test_emulated())
		SKIP("an emulator may ignore the advice");
	CHECK(release.was_locked);
	check_gone(p, 8 * page);
	CHECK_EQ(test_status("VmLck"), 0);
}

static void a_lock_that_reaches_further_stays(void)
{
	size_t page = sf_page_size;
	char *p = map_touched(8 * page);
	long before;

	if (!lock(p, 8 * page))
		return;
	if (!sf_probe_has(SF_FEATURE_DONTNEED_LOCKED))
		SKIP("no MADV_DONTNEED_LOCKED");
	before = test_mappings();
	run(p + 2 * page, 3 * page, false);
	CHECK(release.was_locked);
	check_gone(p + 2 * page, 3 * page);
	CHECK_EQ(test_status("VmLck"), 8 * page);
	CHECK_EQ(test_mappings(), before);
	CHECK_EQ(p[page], 'r');
	CHECK_EQ(p[5 * page], 'r');
}

/* As the kernels before 5.18: there is no call for locked memory. */
static void forget_discard_locked(void)
{
	refuse(__NR_madvise, EINVAL, 0, REFUSE_ALWAYS);
	CHECK(!sf_probe_has(SF_FEATURE_DONTNEED_LOCKED));
	refuse_nothing();
}

static void old_kernels_unlock_first(void)
{
	size_t page = sf_page_size;
	char *p;

	forget_discard_locked();
	p = map_touched(8 * page);
	if (!lock(p, 8 * page))
		return;
	run(p + 2 * page, 3 * page, false);
	if (test_emulated())
		SKIP("an emulator may ignore the advice");
	CHECK(release.was_locked);
	check_gone(p + 2 * page, 3 * page);
	check_zero(p + 2 * page, 3 * page);
	CHECK_EQ(p[page], 'r');
	CHECK_EQ(p[5 * page], 'r');
	CHECK_EQ(test_status("VmLck"), 5 * page);
}

/* There the cut is refused, so the whole mapping loses its lock. */
static void old_kernels_unlock_the_mapping_at_the_limit(void)
{
	size_t page = sf_page_size;
	char *p;

	forget_discard_locked();
	p = map_touched(8 * page);
	if (!lock(p, 8 * page) || !test_fill(0))
		return;
	run(p + 2 * page, 3 * page, false);
	CHECK(release.was_locked);
	check_gone(p + 2 * page, 3 * page);
	CHECK_EQ(p[page], 'r');
	CHECK_EQ(p[5 * page], 'r');
	CHECK_EQ(test_status("VmLck"), 0);
	test_unfill();
}

/*
 * With a trap
 */

static void a_short_range_traps_as_a_whole(void)
{
	char *p;

	if (no_trap())
		return;
	p = map_touched(SF_TRAP_WHOLE_LEN + 2 * sf_page_size);
	run(p + sf_page_size, SF_TRAP_WHOLE_LEN, true);
	CHECK(release.marked_all && !release.trap_skipped);
	check_gone(p + sf_page_size, SF_TRAP_WHOLE_LEN);
	check_traps(p + sf_page_size, SF_TRAP_WHOLE_LEN);
	CHECK_EQ(*p, 'r');
	CHECK_EQ(p[SF_TRAP_WHOLE_LEN + sf_page_size], 'r');
}

static void a_longer_range_traps_at_both_ends(void)
{
	size_t len;
	char *p;

	if (no_trap())
		return;
	p = map_touched(LONG_LEN);
	len = SF_TRAP_WHOLE_LEN + sf_page_size;
	run(p, len, true);
	CHECK(!release.marked_all && release.marked_head &&
	      release.marked_tail && !release.trap_skipped);
	check_gone(p, len);
	check_traps(p, sf_page_size);
	check_traps(p + len - sf_page_size, sf_page_size);
	check_zero(p + sf_page_size, len - 2 * sf_page_size);
	CHECK_EQ(p[len], 'r');
}

/* Marking such a page would allocate, which can fail or get us killed. */
static void untouched_memory_gets_no_page_table(void)
{
	static const size_t lens[] = { 4096, SF_TRAP_WHOLE_LEN, LONG_LEN,
				       3 * TABLE_LEN };

	if (no_trap())
		return;
	for (size_t i = 0; i < TEST_COUNT(lens); i++) {
		size_t len = sf_align_up(lens[i], sf_page_size);
		char *p = map(len);
		size_t before = test_status("VmPTE");

		run(p, len, true);
		CHECK_EQ(test_status("VmPTE"), before);
		CHECK(!release.stuck && release.trap_skipped);
		CHECK(!release.marked_all && !release.marked_head &&
		      !release.marked_tail);
		check_zero(p, len);
	}
}

/* One page resident at an end: its table covers that end only. */
static void the_end_that_has_a_table_traps(void)
{
	size_t len = 3 * TABLE_LEN;

	if (no_trap())
		return;
	for (int at_end = 0; at_end < 2; at_end++) {
		char *p = map(len);

		p[at_end ? len - TABLE_LEN : TABLE_LEN - 1] = 1;
		run(p, len, true);
		CHECK(release.trap_skipped);
		CHECK_EQ(release.marked_head, !at_end);
		CHECK_EQ(release.marked_tail, at_end);
		check_gone(p, len);
		CHECK_EQ(test_touches(p), at_end ? 0 : 1);
		CHECK_EQ(test_touches(p + len - 1), at_end ? 1 : 0);
	}
}

static void what_the_caller_knows_of_tables_is_believed(void)
{
	size_t len = 4 * sf_page_size;
	char *p;

	if (no_trap())
		return;
	p = map(TABLE_LEN);
	p[TABLE_LEN - 1] = 1;
	start(p, len, true);
	release.head_table = true;
	sf_release(&release);
	CHECK(release.marked_all && !release.trap_skipped);
	check_traps(p, len);
	/* Where it can't be told there is taken to be one. */
	p = map(TABLE_LEN);
	refuse(__NR_mincore, EAGAIN, 0, REFUSE_ALWAYS);
	run(p, len, true);
	CHECK(release.marked_all && !release.trap_skipped);
	check_traps(p, len);
}

/* Discarding may free the tables that its markers need. */
static void whole_tables_trap_at_both_ends(void)
{
	if (no_trap())
		return;
	for (size_t before = 0; before < 2; before++) {
		for (size_t nr = 1; nr < 4; nr++) {
			char *p = map_touched((nr + 1) * TABLE_LEN);
			size_t skip = before * sf_page_size;
			size_t len = nr * TABLE_LEN;

			run(p + skip, len, true);
			CHECK(release.marked_head && release.marked_tail &&
			      !release.trap_skipped);
			check_gone(p + skip, len);
			check_traps(p + skip, sf_page_size);
			check_traps(p + skip + len - sf_page_size,
				    sf_page_size);
			check_zero(p + skip + sf_page_size,
				   len - 2 * sf_page_size);
		}
	}
}

static void a_short_range_whose_trap_is_refused_goes_back(void)
{
	size_t len = 4 * sf_page_size;

	if (no_trap())
		return;
	for (int nr = 1; nr <= 3; nr++) {
		char *p = map_touched(len);

		refuse(__NR_madvise, ENOMEM, 0, nr);
		run(p, len, true);
		CHECK(release.trap_skipped);
		/* The first refusal is the trap's: part of it may be there. */
		CHECK(release.marked_all);
		check_gone(p, len);
	}
}

/* Calls: discard, mark the head, mark the tail, and what a refusal brings. */
static void a_long_range_whose_traps_are_refused_goes_back(void)
{
	static const size_t lens[] = { LONG_LEN, TABLE_LEN, 2 * TABLE_LEN };

	if (no_trap())
		return;
	for (size_t i = 0; i < TEST_COUNT(lens); i++) {
		for (int skip = 1; skip < 5; skip++) {
			char *p = map_touched(lens[i]);

			refuse(__NR_madvise, ENOMEM, skip, 1);
			run(p, lens[i], true);
			CHECK_EQ(release.trap_skipped,
				 !release.marked_head || !release.marked_tail);
			check_gone(p, lens[i]);
			CHECK_EQ(test_touches(p), release.marked_head);
			CHECK_EQ(test_touches(p + lens[i] - 1),
				 release.marked_tail);
		}
	}
}

static void locked_memory_gets_no_trap(void)
{
	size_t len = 8 * sf_page_size;
	char *p;

	if (no_trap())
		return;
	p = map_touched(len);
	if (!lock(p, len))
		return;
	run(p, len, true);
	CHECK(release.was_locked && release.trap_skipped);
	check_gone(p, len);
	CHECK_EQ(test_status("VmLck"), 0);
	CHECK_EQ(test_touches(p), 0);
}

static void mlockalls_lock_stays(void)
{
	size_t len = 8 * sf_page_size;
	char *p;

	if (!sf_probe_has(SF_FEATURE_DONTNEED_LOCKED))
		SKIP("no MADV_DONTNEED_LOCKED");
	p = map_touched(len);
	if (!lock(p, len))
		return;
	start(p, len, true);
	release.locked = true;
	/* Reading the mappings takes longer the more there are. */
	refuse(__NR_openat, ENOENT, 0, REFUSE_ALWAYS);
	sf_release(&release);
	CHECK_EQ(refuse_seen(), 0);
	refuse_nothing();
	CHECK(release.was_locked && release.trap_skipped);
	CHECK(!release.marked_all);
	check_gone(p, len);
	CHECK_EQ(test_status("VmLck"), len);
	CHECK_EQ(test_touches(p), 0);
}

static void what_mlockall_could_not_lock_traps(void)
{
	size_t len = 8 * sf_page_size;
	char *p;

	if (no_trap())
		return;
	p = map_touched(len);
	start(p, len, true);
	release.locked = true;
	release.head_table = true;
	release.tail_table = true;
	sf_release(&release);
	CHECK(release.marked_all && !release.trap_skipped);
	CHECK(!release.was_locked);
	check_gone(p, len);
	check_traps(p, len);
}

static void releasing_needs_no_mapping(void)
{
	char *p = map_touched(3 * TABLE_LEN);

	for (long spare = 2; spare >= 0; spare--) {
		char *at = p + (size_t)spare * TABLE_LEN;

		if (!test_fill(spare))
			return;
		run(at + sf_page_size, LONG_LEN, test_has_guard());
		check_gone(at + sf_page_size, LONG_LEN);
		CHECK_EQ(test_mappings(), test_limit() - spare);
	}
	test_unfill();
}

static const struct test tests[] = {
	{ "pages go back", pages_go_back },
	{ "an answer to try again is heeded",
	  an_answer_to_try_again_is_heeded },
	{ "any refused calls are made up for",
	  any_refused_calls_are_made_up_for },
	{ "unmapped memory is stuck", unmapped_memory_is_stuck },
	{ "what is never taken back is stuck",
	  what_is_never_taken_back_is_stuck },
	{ "the lock of what is released goes",
	  the_lock_of_what_is_released_goes },
	{ "several locked pieces are unlocked",
	  several_locked_pieces_are_unlocked },
	{ "a lock that reaches further stays",
	  a_lock_that_reaches_further_stays },
	{ "old kernels unlock first", old_kernels_unlock_first },
	{ "old kernels unlock the mapping at the limit",
	  old_kernels_unlock_the_mapping_at_the_limit },
	{ "a short range traps as a whole", a_short_range_traps_as_a_whole },
	{ "a longer range traps at both ends",
	  a_longer_range_traps_at_both_ends },
	{ "untouched memory gets no page table",
	  untouched_memory_gets_no_page_table },
	{ "the end that has a table traps", the_end_that_has_a_table_traps },
	{ "what the caller knows of tables is believed",
	  what_the_caller_knows_of_tables_is_believed },
	{ "whole tables trap at both ends", whole_tables_trap_at_both_ends },
	{ "a short range whose trap is refused goes back",
	  a_short_range_whose_trap_is_refused_goes_back },
	{ "a long range whose traps are refused goes back",
	  a_long_range_whose_traps_are_refused_goes_back },
	{ "locked memory gets no trap", locked_memory_gets_no_trap },
	{ "mlockall()'s lock stays", mlockalls_lock_stays },
	{ "what mlockall() could not lock traps",
	  what_mlockall_could_not_lock_traps },
	{ "releasing needs no mapping", releasing_needs_no_mapping },
};

int main(int argc, char **argv)
{
	sf_page_init();
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
