// SPDX-License-Identifier: MIT
/*
 * Resident memory, blocks and threads for the tests of this folder, see
 * release.h.
 */
#include "release.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAX_THREADS 64
#define SKIPPED	    77 /* exit status */
#define STACK_LEN   (256 * KIB)

/* Pages of blocks whose marks lie in one page. */
#define PAGES_OF_MARKS 64

static size_t marked_len;

static int exec_case(void *arg)
{
	char *args[] = { (char *)"(again)", (char *)"--case", arg, NULL };

	execv("/proc/self/exe", args);
	return 1;
}

bool release_again(const char *options, const char *format, ...)
{
	char words[128];
	va_list args;
	int result;

	va_start(args, format);
	vsnprintf(words, sizeof(words), format, args);
	va_end(args);
	if (options != NULL)
		setenv("SUREFREE_OPTIONS", options, 1);
	result = test_in_child(exec_case, words);
	unsetenv("SUREFREE_OPTIONS");
	if (result == SKIPPED)
		test_skip("see above");
	else if (!CHECK_EQ(result, 0))
		test_say("  case %s%s%s", words, options == NULL ? "" : ", ",
			 options == NULL ? "" : options);
	return result == 0;
}

const char *release_case(int argc, char **argv)
{
	return argc == 3 && strcmp(argv[1], "--case") == 0 ? argv[2] : NULL;
}

int release_case_result(void)
{
	test_unfill();
	if (test_failed())
		return 1;
	return test_skipped() ? SKIPPED : 0;
}

bool release_fill(long spare)
{
	return spare == PLENTY || test_fill(spare);
}

void *release_array(size_t nr, size_t member_len)
{
	void *p = mmap(NULL, nr * member_len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (p == MAP_FAILED)
		abort();
	return p;
}

/* An exported function of the drop-in. */
static void *find(const char *name)
{
	void *function = dlsym(RTLD_DEFAULT, name);

	if (function == NULL)
		FAIL("no %s(): is the drop-in preloaded?", name);
	return function;
}

struct surefree_stats release_stats(void)
{
	static int (*function)(struct surefree_stats * out);
	struct surefree_stats stats = { .size = sizeof(stats) };

	if (function == NULL)
		*(void **)&function = find("surefree_stats");
	if (function != NULL)
		CHECK_OK(function(&stats));
	return stats;
}

void release_set(const char *option, const char *value)
{
	int (*function)(const char *option, const char *value);

	*(void **)&function = find("surefree_set");
	if (function != NULL)
		CHECK_OK(function(option, value));
}

void release_mark(void)
{
	marked_len = test_rss_anon();
}

size_t release_resident(void)
{
	size_t len = test_rss_anon();

	return len > marked_len ? len - marked_len : 0;
}

bool release_check(size_t now, size_t limit, const char *what)
{
	if (now <= limit)
		return true;
	FAIL("%s: %zu KiB resident, at most %zu KiB may be", what, now / KIB,
	     limit / KIB);
	return false;
}

/* What a page of a block begins with: where it was written. */
static void mark_page(char *at)
{
	uintptr_t where = (uintptr_t)at;

	memcpy(at, &where, sizeof(where));
}

void release_touch(void *block, size_t len)
{
	char *p = block;

	for (size_t at = 0; at + sizeof(p) <= len; at += test_page())
		mark_page(p + at);
	p[len - 1] = 'e';
	if (len >= 2 * sizeof(p))
		mark_page(p + len - sizeof(p));
}

bool release_is_touched(const void *block, size_t len)
{
	const char *p = block;
	uintptr_t there;

	for (size_t at = 0; at + 2 * sizeof(p) <= len; at += test_page()) {
		memcpy(&there, p + at, sizeof(there));
		if (!CHECK_EQ(there, (uintptr_t)(p + at)))
			return false;
	}
	return true;
}

size_t release_pick_len(struct test_rng *rng)
{
	uint64_t kind = test_rand_below(rng, 1024);

	if (kind < 960)
		return 16 + test_rand_below(rng, 1008);
	if (kind < 1016)
		return KIB + test_rand_below(rng, 63 * KIB);
	return 64 * KIB + test_rand_below(rng, 960 * KIB);
}

void release_shuffle(struct test_rng *rng, void **blocks, size_t nr)
{
	for (size_t i = nr; i > 1; i--) {
		size_t other = test_rand_below(rng, i);
		void *block = blocks[i - 1];

		blocks[i - 1] = blocks[other];
		blocks[other] = block;
	}
}

/*
 * Pages
 */

static struct {
	uintptr_t *slots; /* page numbers, 0: free */
	size_t nr_slots;  /* a power of two */
	size_t nr;
} pages;

void release_pages_init(size_t nr)
{
	pages.nr_slots = 1;
	while (pages.nr_slots < 2 * nr)
		pages.nr_slots *= 2;
	pages.slots = release_array(pages.nr_slots, sizeof(*pages.slots));
}

void release_pages_clear(void)
{
	memset(pages.slots, 0, pages.nr_slots * sizeof(*pages.slots));
	pages.nr = 0;
}

/* The slot of a page, or the free one where it belongs. */
static size_t slot_of(uintptr_t page)
{
	size_t mask = pages.nr_slots - 1;
	size_t at = (page * 0x9e3779b97f4a7c15u >> 20) & mask;

	while (pages.slots[at] != 0 && pages.slots[at] != page)
		at = (at + 1) & mask;
	return at;
}

static void add_page(uintptr_t page)
{
	size_t at = slot_of(page);

	if (pages.slots[at] == page)
		return;
	if (pages.nr + 1 == pages.nr_slots)
		abort();
	pages.slots[at] = page;
	pages.nr++;
}

void release_pages_add(const void *block, size_t len)
{
	uintptr_t first = (uintptr_t)block / test_page();
	uintptr_t last = ((uintptr_t)block + len - 1) / test_page();

	for (uintptr_t page = first; page <= last; page++)
		add_page(page);
}

size_t release_pages_len(void)
{
	return pages.nr * test_page();
}

/* Whether no lower page with marks in the same page is there. */
static bool is_first_of_marks(uintptr_t page)
{
	for (uintptr_t at = page - page % PAGES_OF_MARKS; at < page; at++)
		if (pages.slots[slot_of(at)] == at)
			return false;
	return true;
}

size_t release_marks_len(void)
{
	size_t nr = 0;

	for (size_t i = 0; i < pages.nr_slots; i++)
		if (pages.slots[i] != 0 && is_first_of_marks(pages.slots[i]))
			nr++;
	return nr * test_page();
}

/*
 * Threads
 */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t begin;
	pthread_cond_t end;
	pthread_t threads[MAX_THREADS];
	size_t nr;

	/* Under the lock. */
	unsigned long long round[MAX_THREADS]; /* work given so far */
	void (*fn)(size_t index);	       /* NULL: leave */
	atomic_size_t nr_busy;
} crew = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.begin = PTHREAD_COND_INITIALIZER,
	.end = PTHREAD_COND_INITIALIZER,
};

static void done(void)
{
	pthread_mutex_lock(&crew.lock);
	if (--crew.nr_busy == 0)
		pthread_cond_signal(&crew.end);
	pthread_mutex_unlock(&crew.lock);
}

/* Page the stack in, so that it is not taken for blocks later. */
static void touch_stack(void)
{
	volatile char room[64 * KIB];

	for (size_t at = 0; at < sizeof(room); at += test_page())
		room[at] = 1;
	room[sizeof(room) - 1] = 1;
}

static void *crew_main(void *arg)
{
	size_t index = (size_t)(uintptr_t)arg;
	unsigned long long seen = 0;
	void (*fn)(size_t index);

	touch_stack();
	done();
	for (;;) {
		pthread_mutex_lock(&crew.lock);
		while (crew.round[index] == seen)
			pthread_cond_wait(&crew.begin, &crew.lock);
		seen = crew.round[index];
		fn = crew.fn;
		pthread_mutex_unlock(&crew.lock);
		if (fn == NULL)
			return NULL;
		fn(index);
		done();
	}
}

void release_crew_wait(void)
{
	pthread_mutex_lock(&crew.lock);
	while (crew.nr_busy > 0)
		pthread_cond_wait(&crew.end, &crew.lock);
	pthread_mutex_unlock(&crew.lock);
}

void release_crew_start(size_t nr)
{
	pthread_attr_t attr;

	if (nr > MAX_THREADS)
		abort();
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_LEN);
	crew.nr = nr;
	crew.nr_busy = nr;
	for (size_t i = 0; i < nr; i++) {
		crew.round[i] = 0;
		if (pthread_create(&crew.threads[i], &attr, crew_main,
				   (void *)(uintptr_t)i) != 0)
			abort(); /* the others would wait for ever */
	}
	pthread_attr_destroy(&attr);
	release_crew_wait();
}

void release_crew_begin(size_t first, size_t last, void (*fn)(size_t index))
{
	pthread_mutex_lock(&crew.lock);
	crew.fn = fn;
	crew.nr_busy = last - first + 1;
	for (size_t i = first; i <= last; i++)
		crew.round[i]++;
	pthread_cond_broadcast(&crew.begin);
	pthread_mutex_unlock(&crew.lock);
}

bool release_crew_busy(void)
{
	return atomic_load_explicit(&crew.nr_busy, memory_order_relaxed) > 0;
}

void release_crew_do(size_t first, size_t last, void (*fn)(size_t index))
{
	release_crew_begin(first, last, fn);
	release_crew_wait();
}

void release_crew_end(void)
{
	release_crew_begin(0, crew.nr - 1, NULL);
	for (size_t i = 0; i < crew.nr; i++)
		pthread_join(crew.threads[i], NULL);
	crew.nr = 0;
	crew.nr_busy = 0;
}
