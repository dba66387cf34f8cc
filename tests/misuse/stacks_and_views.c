// SPDX-License-Identifier: MIT
/*
 * A stack or a file view that is released twice, in part, or as what it is
 * not, is reported, and the process aborts.
 */
#include "test.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "aborts.h"
#include "surefree.h"

#define STACK_LEN     ((size_t)64 << 10)
#define NR_VIEW_PAGES 4

static struct surefree_stack map_stack(void)
{
	struct surefree_stack stack;

	if (surefree_stack_map(STACK_LEN, &stack) != 0)
		_exit(TEST_CHILD_FAILED);
	memset(stack.addr, 1, stack.len);
	return stack;
}

static void unmap_stack_twice(void)
{
	struct surefree_stack stack = map_stack();

	surefree_stack_unmap(&stack);
	aborts_say("surefree: surefree_stack_unmap(%p, %zu): page %p is not "
		   "mapped, or already released",
		   stack.addr, stack.len, stack.addr);
	surefree_stack_unmap(&stack);
}

static void unmap_stack_twice_after_trim(void)
{
	struct surefree_stack stack = map_stack();

	surefree_stack_unmap(&stack);
	surefree_trim(0);
	aborts_say("surefree: surefree_stack_unmap(%p, %zu): not a stack, or "
		   "already released",
		   stack.addr, stack.len);
	surefree_stack_unmap(&stack);
}

static void unmap_map_as_stack(void)
{
	size_t page = test_page();
	char *p = surefree_map(8 * page, 0);
	struct surefree_stack stack = {
		.addr = p + page,
		.len = 7 * page,
		.guard_len = page,
	};

	aborts_say("surefree: surefree_stack_unmap(%p, %zu): not a stack, or "
		   "already released",
		   stack.addr, stack.len);
	surefree_stack_unmap(&stack);
}

static void unmap_empty_stack(void)
{
	struct surefree_stack stack = map_stack();

	stack.len = 0;
	aborts_say("surefree: surefree_stack_unmap(%p, 0): not a stack",
		   stack.addr);
	surefree_stack_unmap(&stack);
}

static void unmap_moved_stack(void)
{
	struct surefree_stack stack = map_stack();

	stack.addr = (char *)stack.addr + test_page();
	stack.len -= test_page();
	aborts_say("surefree: surefree_stack_unmap(%p, %zu): not a stack, or "
		   "already released",
		   stack.addr, stack.len);
	surefree_stack_unmap(&stack);
}

static void trim_with_foreign_pointer(void)
{
	struct surefree_stack stack = map_stack();
	char *sp = (char *)stack.addr + stack.len + 1;

	aborts_say("surefree: surefree_stack_trim(%p, %zu): stack pointer %p "
		   "lies outside",
		   stack.addr, stack.len, (void *)sp);
	surefree_stack_trim(&stack, sp);
}

static void trim_released_stack(void)
{
	struct surefree_stack stack = map_stack();

	surefree_stack_unmap(&stack);
	aborts_say("surefree: surefree_stack_trim(%p, %zu): page %p is not "
		   "mapped, or already released",
		   stack.addr, stack.len, stack.addr);
	surefree_stack_trim(&stack, NULL);
}

static char *map_view(void)
{
	size_t len = NR_VIEW_PAGES * test_page();
	int fd = memfd_create("view", MFD_CLOEXEC);
	char *view;

	if (fd < 0 || ftruncate(fd, (off_t)len) != 0)
		_exit(TEST_CHILD_FAILED);
	view = surefree_map_file(fd, 0, len, PROT_READ, MAP_SHARED);
	if (view == NULL)
		_exit(TEST_CHILD_FAILED);
	return view;
}

static void unmap_part_of_view(char *view, size_t first, size_t nr)
{
	char *part = view + first * test_page();

	aborts_say("surefree: surefree_unmap_file(%p, %zu): only a part of a "
		   "file view",
		   (void *)part, nr * test_page());
	surefree_unmap_file(part, nr * test_page());
}

static void unmap_head_of_view(void)
{
	unmap_part_of_view(map_view(), 0, NR_VIEW_PAGES - 1);
}

static void unmap_tail_of_view(void)
{
	unmap_part_of_view(map_view(), 1, NR_VIEW_PAGES - 1);
}

static void unmap_middle_of_view(void)
{
	unmap_part_of_view(map_view(), 1, 1);
}

static void unmap_view_twice(void)
{
	size_t len = NR_VIEW_PAGES * test_page();
	char *view = map_view();

	surefree_unmap_file(view, len);
	aborts_say("surefree: surefree_unmap_file(%p, %zu): page %p is not "
		   "mapped, or already released",
		   (void *)view, len, (void *)view);
	surefree_unmap_file(view, len);
}

static void unmap_view_as_memory(void)
{
	size_t len = NR_VIEW_PAGES * test_page();
	char *view = map_view();

	aborts_say("surefree: surefree_unmap(%p, %zu): a file view; use "
		   "surefree_unmap_file()",
		   (void *)view, len);
	surefree_unmap(view, len);
}

static void unmap_memory_as_view(void)
{
	size_t page = test_page();
	char *p = surefree_map(page, 0);

	aborts_say("surefree: surefree_unmap_file(%p, %zu): not a file view",
		   (void *)p, page);
	surefree_unmap_file(p, page);
}

static void a_stack_unmapped_twice_is_reported(void)
{
	aborts(unmap_stack_twice);
	aborts(unmap_stack_twice_after_trim);
}

static void what_is_no_stack_is_reported(void)
{
	aborts(unmap_map_as_stack);
	aborts(unmap_empty_stack);
	aborts(unmap_moved_stack);
}

static void trimming_a_wrong_stack_is_reported(void)
{
	aborts(trim_with_foreign_pointer);
	aborts(trim_released_stack);
}

static void a_part_of_a_view_is_reported(void)
{
	aborts(unmap_head_of_view);
	aborts(unmap_tail_of_view);
	aborts(unmap_middle_of_view);
}

static void a_view_unmapped_twice_is_reported(void)
{
	aborts(unmap_view_twice);
}

static void views_and_memory_are_told_apart(void)
{
	aborts(unmap_view_as_memory);
	aborts(unmap_memory_as_view);
}

static const struct test tests[] = {
	{ "a stack unmapped twice is reported",
	  a_stack_unmapped_twice_is_reported },
	{ "what is no stack is reported", what_is_no_stack_is_reported },
	{ "trimming a wrong stack is reported",
	  trimming_a_wrong_stack_is_reported },
	{ "a part of a view is reported", a_part_of_a_view_is_reported },
	{ "a view unmapped twice is reported",
	  a_view_unmapped_twice_is_reported },
	{ "views and memory are told apart", views_and_memory_are_told_apart },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
