// SPDX-License-Identifier: MIT
/*
 * Memory whose pages another thread serves, by userfaultfd: calls that read it
 * in wait for that thread, which makes calls of the same family itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "memory.h"
#include "test.h"

#define RW	       (PROT_READ | PROT_WRITE)
#define FRESH	       (MAP_PRIVATE | MAP_ANONYMOUS)
#define POPULATE_READ  22
#define POPULATE_WRITE 23
#define NR_PAGES       8
#define NR_REMEMBERED  3
#define PATIENCE       60 /* seconds; for a machine that is busy */

static size_t page;
static int uffd;
static int stop[2]; /* closed for writing: there is nothing more to serve */
static char *served;
static char *other; /* the server's own */
static atomic_int nr_served;
static pthread_t server;
static pthread_t watchdog;

/* Nothing else would end threads that hold back all signals. */
static void *watch(void *arg)
{
	struct pollfd fd = { .fd = stop[0], .events = POLLIN };

	if (poll(&fd, 1, PATIENCE * 1000) == 0) {
		test_say("stands still");
		_exit(1);
	}
	return arg;
}

/* All that needs the family's lock. */
static void make_calls(void)
{
	char *p = mmap(NULL, 2 * page, RW, FRESH, -1, 0);

	CHECK(p != MAP_FAILED);
	CHECK_OK(mprotect(other, page, PROT_READ));
	CHECK_OK(mprotect(other, page, RW));
	CHECK_OK(mprotect(p, page, PROT_READ));
	CHECK_OK(munmap(p, 2 * page));
}

static void *serve(void *arg)
{
	struct pollfd fds[] = { { .fd = uffd, .events = POLLIN },
				{ .fd = stop[0], .events = POLLIN } };

	while (poll(fds, 2, -1) > 0 && fds[1].revents == 0) {
		struct uffdio_zeropage zero = { .range.len = page };
		struct uffd_msg msg;

		if (read(uffd, &msg, sizeof(msg)) != (ssize_t)sizeof(msg) ||
		    msg.event != UFFD_EVENT_PAGEFAULT)
			continue;
		make_calls();
		zero.range.start = msg.arg.pagefault.address & ~(page - 1);
		atomic_fetch_add(&nr_served, 1);
		ioctl(uffd, UFFDIO_ZEROPAGE, &zero);
	}
	return arg;
}

static bool open_uffd(void)
{
	struct uffdio_api api = { .api = UFFD_API };

	uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (uffd < 0) {
		test_skip("userfaultfd: %s", strerror(errno));
		return false;
	}
	return CHECK_OK(ioctl(uffd, UFFDIO_API, &api));
}

static bool start(void)
{
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	page = test_page();
	if (!open_uffd())
		return false;
	served = mmap(NULL, NR_PAGES * page, RW, FRESH, -1, 0);
	other = mmap(NULL, 2 * page, RW, FRESH, -1, 0);
	if (!CHECK(served != MAP_FAILED && other != MAP_FAILED))
		return false;
	*other = 1;
	range.range.start = (uintptr_t)served;
	range.range.len = NR_PAGES * page;
	return CHECK_OK(ioctl(uffd, UFFDIO_REGISTER, &range)) &&
	       CHECK_OK(pipe(stop)) &&
	       CHECK_EQ(pthread_create(&watchdog, NULL, watch, NULL), 0) &&
	       CHECK_EQ(pthread_create(&server, NULL, serve, NULL), 0);
}

static void finish(void)
{
	struct uffdio_range range = { (uintptr_t)served, NR_PAGES * page };

	for (size_t i = 0; i < NR_PAGES; i++)
		CHECK_EQ(served[i * page], 0);
	CHECK_OK(ioctl(uffd, UFFDIO_UNREGISTER, &range));
	close(stop[1]);
	pthread_join(server, NULL);
	pthread_join(watchdog, NULL);
	CHECK_OK(munmap(served, NR_PAGES * page));
	CHECK_EQ(test_status("VmLck"), 0);
}

static void locked_pages_are_served(void)
{
	if (!start())
		return;
	CHECK_OK(mlock(served, NR_PAGES * page));
	CHECK_EQ(atomic_load(&nr_served), NR_PAGES);
	finish();
}

static void populate(void)
{
	if (madvise(served, 4 * page, POPULATE_WRITE) != 0) {
		CHECK_EQ(errno, EINVAL); /* before Linux 5.14 */
		return;
	}
	CHECK_OK(madvise(served + 4 * page, 2 * page, POPULATE_READ));
	CHECK_EQ(atomic_load(&nr_served), 6);
}

static void populated_pages_are_served(void)
{
	if (!start())
		return;
	populate();
	finish();
}

/* At the limit, so that the drop-in remembers what it could not unmap. */
static bool unmap_at_limit(void)
{
	char *p = mmap(NULL, 16 * page, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (!CHECK(p != MAP_FAILED) || !test_fill(0))
		return false;
	for (size_t i = 0; i < NR_REMEMBERED; i++)
		CHECK_OK(munmap(p + (2 + 4 * i) * page, page));
	test_unfill();
	return true;
}

static void populated_pages_are_served_while_addresses_are_remembered(void)
{
	if (!memory_is_surefree())
		SKIP("nothing is remembered without the drop-in");
	if (!start() || !unmap_at_limit())
		return;
	populate();
	finish();
}

/* Linux ends the registration, the drop-in does not. */
static void mapping_over_them_does_not_stand_still(void)
{
	if (!start())
		return;
	CHECK(mmap(served, 4 * page, RW, FRESH | MAP_FIXED | MAP_POPULATE, -1,
		   0) == served);
	CHECK_EQ(test_resident(served, 4 * page), 4 * page);
	finish();
}

static const struct test tests[] = {
	{ "pages are served while mlock() waits for them",
	  locked_pages_are_served },
	{ "pages are served while madvise() waits for them",
	  populated_pages_are_served },
	{ "pages are served while addresses are remembered",
	  populated_pages_are_served_while_addresses_are_remembered },
	{ "mapping over them with MAP_POPULATE does not stand still",
	  mapping_over_them_does_not_stand_still },
};

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
