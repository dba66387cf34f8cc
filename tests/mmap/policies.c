// SPDX-License-Identifier: MIT
/*
 * A memory policy goes with the map that it was set on: it costs mappings while
 * the map is there, and none after, and who gets the addresses next has none.
 */
#include <dlfcn.h>
#include <errno.h>
#include <linux/mempolicy.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "memory.h"
#include "pages.h"
#include "test.h"

#define RW	(PROT_READ | PROT_WRITE)
#define NR_MAPS 500
#define SLACK	20 /* mappings that come and go otherwise */

typedef long mbind_fn(void *addr, unsigned long len, int mode,
		      const unsigned long *nodes, unsigned long nr_nodes,
		      unsigned flags);

/* The drop-in's, as libnuma has it; else what that does. */
static long bind(void *addr, size_t len, int mode)
{
	static const unsigned long node = 1;
	const unsigned long *nodes = mode == MPOL_DEFAULT ? NULL : &node;
	void *symbol = dlsym(RTLD_DEFAULT, "mbind");
	mbind_fn *found;

	memcpy(&found, &symbol, sizeof(found));
	CHECK(found != NULL || !memory_is_surefree());
	if (found != NULL)
		return found(addr, len, mode, nodes, 8, 0);
	return syscall(SYS_mbind, addr, len, mode, nodes, 8, 0);
}

/* The mode of the page's policy. */
static int mode_of(void *addr)
{
	int mode = -1;

	syscall(SYS_get_mempolicy, &mode, NULL, 0, addr, MPOL_F_ADDR);
	return mode;
}

static char *map(size_t nr)
{
	char *p = mmap(NULL, nr * test_page(), RW, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);

	return CHECK(p != MAP_FAILED) ? p : NULL;
}

/* Whether policies are to be had: not in every kernel and container. */
static bool can_bind(void)
{
	char *p = map(1);
	bool can = bind(p, test_page(), MPOL_BIND) == 0;

	munmap(p, test_page());
	if (!can)
		test_skip("mbind: %s", strerror(errno));
	return can;
}

/* Every second map, in part: each costs two mappings. */
static bool bind_maps(char **maps)
{
	for (int i = 0; i < NR_MAPS; i++) {
		maps[i] = map(4);
		if (maps[i] == NULL)
			return false;
		pages_fill(maps[i], 4, 'p');
		if (!CHECK_EQ(bind(maps[i], test_page(), MPOL_BIND), 0))
			return false;
	}
	return true;
}

static void it_goes_with_the_map(void)
{
	static char *maps[NR_MAPS];
	long before;

	if (!can_bind())
		return;
	before = test_mappings();
	if (!bind_maps(maps))
		return;
	CHECK_GE(test_mappings(), before + NR_MAPS);
	for (int i = 0; i < NR_MAPS; i++) {
		CHECK_EQ(mode_of(maps[i]), MPOL_BIND);
		CHECK_EQ(mode_of(maps[i] + test_page()), MPOL_DEFAULT);
		CHECK_OK(munmap(maps[i], 4 * test_page()));
	}
	CHECK_LE(test_mappings(), before + SLACK);
	for (int i = 0; i < NR_MAPS; i++) {
		maps[i] = map(4);
		CHECK_EQ(mode_of(maps[i]), MPOL_DEFAULT);
		CHECK_EQ(pages_byte(maps[i]), 0);
	}
}

static void it_goes_at_the_limit(void)
{
	static char *maps[NR_MAPS];

	if (!can_bind() || !bind_maps(maps) || !test_fill(0))
		return;
	for (int i = 0; i < NR_MAPS; i++) {
		CHECK_OK(munmap(maps[i], 4 * test_page()));
		CHECK_EQ(test_resident(maps[i], 4 * test_page()), 0);
	}
	test_unfill();
	for (int i = 0; i < NR_MAPS; i++) {
		maps[i] = map(4);
		CHECK_EQ(mode_of(maps[i]), MPOL_DEFAULT);
	}
}

static void it_can_be_taken_back(void)
{
	size_t page = test_page();
	long before;
	char *p;

	if (!can_bind())
		return;
	p = map(16);
	pages_fill(p, 16, 'b');
	before = test_mappings();
	CHECK_EQ(bind(p + 4 * page, 4 * page, MPOL_PREFERRED), 0);
	CHECK_EQ(mode_of(p + 7 * page), MPOL_PREFERRED);
	CHECK_EQ(mode_of(p + 8 * page), MPOL_DEFAULT);
	CHECK_EQ(bind(p, 16 * page, MPOL_DEFAULT), 0);
	CHECK_EQ(mode_of(p + 4 * page), MPOL_DEFAULT);
	CHECK_EQ(test_mappings(), before);
	for (size_t i = 0; i < 16; i++)
		CHECK_EQ(pages_byte(p + i * page), 'b');
}

static void it_moves_with_the_map(void)
{
	size_t page = test_page();
	char *p;
	char *q;

	if (!can_bind())
		return;
	p = map(4);
	q = map(1);
	pages_fill(p, 4, 'm');
	CHECK_EQ(bind(p, 4 * page, MPOL_BIND), 0);
	p = mremap(p, 4 * page, 64 * page, MREMAP_MAYMOVE);
	if (!CHECK(p != MAP_FAILED))
		return;
	CHECK_EQ(mode_of(p), MPOL_BIND);
	CHECK_EQ(mode_of(p + 63 * page), MPOL_BIND);
	CHECK_EQ(pages_byte(p + 3 * page), 'm');
	CHECK_OK(munmap(p, 64 * page));
	CHECK_OK(munmap(q, page));
}

static void what_is_wrong_is_told(void)
{
	size_t page = test_page();
	char *p;

	if (!can_bind())
		return;
	p = map(8);
	CHECK_ERRNO((int)bind(p + 1, page, MPOL_BIND), EINVAL);
	CHECK_ERRNO((int)bind(p, page, 1000), EINVAL);
	CHECK_EQ(bind(p, 0, MPOL_BIND), 0);
	CHECK_OK(munmap(p + 4 * page, page));
	CHECK_ERRNO((int)bind(p, 8 * page, MPOL_BIND), EFAULT);
	CHECK_ERRNO((int)bind(p, 8 * page, 1000), EINVAL);
	CHECK_EQ(mode_of(p), MPOL_DEFAULT);
	CHECK_EQ(bind(p, 8 * page, MPOL_DEFAULT), 0);
	CHECK_EQ(bind(p + 5 * page, 3 * page, MPOL_BIND), 0);
}

static const struct test tests[] = {
	{ "it goes with the map", it_goes_with_the_map },
	{ "it goes at the limit", it_goes_at_the_limit },
	{ "it can be taken back", it_can_be_taken_back },
	{ "it moves with the map", it_moves_with_the_map },
	{ "what is wrong is told", what_is_wrong_is_told },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
