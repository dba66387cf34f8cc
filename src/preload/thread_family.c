// SPDX-License-Identifier: MIT
/*
 * The C library's functions that make threads and wait for them. A thread that
 * brings no stack gets one of ours, as if the program had set it in the
 * attributes; so making one needs no spare mapping, and ending it unmaps none.
 * All else is the C library's work.
 *
 * It makes the stack itself as ever where
 *
 *  - the program sets one, or more than MAX_LEN bytes;
 *  - stacks must be executable: the library would not make ours so;
 *  - a guard is wanted and there are no guard markers; unless it then has no
 *    mappings left for a guard of its own, in which case ours has none.
 */
#include <dlfcn.h>
#include <errno.h>
#include <gnu/libc-version.h>
#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#include "base/option.h"
#include "malloc/summary.h"
#include "preload/thread_stacks.h"
#include "vm/state.h"

#define MAX_LEN	  ((size_t)1 << 30)
#define LEN_ALIGN ((size_t)64) /* the library's, of a thread's descriptor */

static struct {
	int (*create)(pthread_t *thread, const pthread_attr_t *attr,
		      void *(*fn)(void *), void *arg);
	int (*join)(pthread_t thread, void **result);
	int (*tryjoin)(pthread_t thread, void **result);
	int (*timedjoin)(pthread_t thread, void **result,
			 const struct timespec *until);
	int (*clockjoin)(pthread_t thread, void **result, clockid_t clock,
			 const struct timespec *until);
	int (*detach)(pthread_t thread);
	int (*getattr)(pthread_t thread, pthread_attr_t *attr);
} real;

/* What a thread wants of its stack. */
struct wish {
	size_t len;
	size_t guard_len;
	bool detached;
};

/* Threads made on stacks of ours, and by the library. */
static _Atomic size_t nr_served;
static _Atomic size_t nr_passed;

/* What else the summary tells. */
static void (*more)(struct sf_text *out);

static bool is_on;
static pthread_key_t key; /* its destructor tells that a thread ends */

/*
 * Before 2.34 glibc returns the error of a thread that it made, but could not
 * give the policy or the CPUs asked for, while that is still ending.
 */
static bool failed_may_run;

/*
 * Executable stacks
 */

struct objects {
	unsigned long long nr_loaded; /* ever */
	bool executable;
};

static bool wants_executable(const struct dl_phdr_info *info)
{
	/* The kernel's own has no say. */
	if (info->dlpi_addr == getauxval(AT_SYSINFO_EHDR))
		return false;
	for (unsigned i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_GNU_STACK)
			return (info->dlpi_phdr[i].p_flags & PF_X) != 0;
	return true;
}

static int look_at_object(struct dl_phdr_info *info, size_t len, void *arg)
{
	struct objects *objects = arg;

	(void)len;
	objects->executable |= wants_executable(info);
	return 0;
}

static int look_at_count(struct dl_phdr_info *info, size_t len, void *arg)
{
	struct objects *objects = arg;

	(void)len;
	objects->nr_loaded = info->dlpi_adds;
	return 1;
}

/*
 * Whether an object that was loaded wants stacks to be executable. A forked
 * child does not ask again: another thread may have had the loader's lock.
 */
static bool must_be_executable(void)
{
	static _Atomic unsigned long long nr_seen = ULLONG_MAX;
	static _Atomic bool is_executable;
	struct objects now = { 0 };

	if (sf_thread_stacks_forked())
		return atomic_load(&is_executable);
	dl_iterate_phdr(look_at_count, &now);
	if (now.nr_loaded != atomic_load(&nr_seen)) {
		dl_iterate_phdr(look_at_object, &now);
		if (now.executable)
			atomic_store(&is_executable, true);
		atomic_store(&nr_seen, now.nr_loaded);
	}
	return atomic_load(&is_executable);
}

/*
 * Setting up
 */

/*
 * Called twice for a thread, the second time after the destructors of most
 * other keys.
 */
static void at_end(void *arg)
{
	struct sf_thread_stack *stack = arg;

	if (!stack->ending) {
		stack->ending = true;
		pthread_setspecific(key, stack);
		return;
	}
	sf_thread_stack_end(stack);
}

static void find_real(void *out, const char *name)
{
	void *symbol = dlsym(RTLD_NEXT, name);

	memcpy(out, &symbol, sizeof(symbol));
}

static void print(struct sf_text *out)
{
	size_t served = atomic_load_explicit(&nr_served, memory_order_relaxed);
	size_t passed = atomic_load_explicit(&nr_passed, memory_order_relaxed);

	if (more != NULL)
		more(out);
	if (served + passed > 0)
		sf_text_print(
			out,
			"  stacks served     %12zu   left to C library %zu\n",
			served, passed);
}

static void set_up(void)
{
	find_real(&real.create, "pthread_create");
	find_real(&real.join, "pthread_join");
	find_real(&real.tryjoin, "pthread_tryjoin_np");
	find_real(&real.timedjoin, "pthread_timedjoin_np");
	find_real(&real.clockjoin, "pthread_clockjoin_np");
	find_real(&real.detach, "pthread_detach");
	find_real(&real.getattr, "pthread_getattr_np");
	failed_may_run = strtod(gnu_get_libc_version(), NULL) < 2.34;
	sf_state_init();
	sf_thread_stacks_init();
	must_be_executable();
	is_on = sf_option(SF_OPTION_THREADS) &&
		pthread_key_create(&key, at_end) == 0;
	if (!is_on)
		return;
	more = sf_summary_more;
	sf_summary_more = print;
}

static void init(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, set_up);
}

__attribute__((constructor)) static void at_load(void)
{
	init();
}

/*
 * Making threads
 */

/* False: the C library shall make the stack. */
static bool read_wish(const pthread_attr_t *attr, struct wish *wish)
{
	void *addr;
	size_t len;
	int state;

	if (pthread_attr_getstack(attr, &addr, &len) != 0 ||
	    pthread_attr_getstacksize(attr, &wish->len) != 0 ||
	    pthread_attr_getguardsize(attr, &wish->guard_len) != 0 ||
	    pthread_attr_getdetachstate(attr, &state) != 0)
		return false;
	/* The library keeps the end of the stack, NULL when it was not set. */
	if ((uintptr_t)addr + len != 0)
		return false;
	wish->detached = state == PTHREAD_CREATE_DETACHED;
	wish->len &= ~(LEN_ALIGN - 1);
	if (wish->len == 0 || wish->len > MAX_LEN || wish->guard_len > MAX_LEN)
		return false;
	wish->guard_len = sf_align_up(wish->guard_len, sf_page_size);
	return true;
}

/* Relaxed: statistics. */
static void count(_Atomic size_t *nr)
{
	atomic_fetch_add_explicit(nr, 1, memory_order_relaxed);
}

static void *run(void *arg)
{
	struct sf_thread_stack *stack = arg;

	sf_thread_stack_begin(stack);
	pthread_setspecific(key, stack);
	return stack->fn(stack->arg);
}

/* -1: no stack is to be had. */
static int create_on_ours(pthread_t *thread, const pthread_attr_t *attr,
			  void *(*fn)(void *), void *arg,
			  const struct wish *wish, bool must_guard)
{
	struct sf_thread_stack *stack;
	pthread_attr_t with_stack = *attr;
	int err;

	sf_thread_stacks_poll();
	stack = sf_thread_stack_take(wish->len, wish->guard_len, must_guard);
	if (stack == NULL)
		return -1;
	stack->fn = fn;
	stack->arg = arg;
	stack->detached = wish->detached;
	err = pthread_attr_setstack(&with_stack, sf_thread_stack_addr(stack),
				    wish->len);
	if (err != 0) {
		sf_thread_stack_drop(stack);
		return -1;
	}
	/* When it succeeds, the stack may be gone already. */
	err = real.create(thread, &with_stack, run, stack);
	if (err != 0 && (err == EAGAIN || !failed_may_run))
		sf_thread_stack_drop(stack);
	if (err == 0)
		count(&nr_served);
	return err;
}

static int create_by_library(pthread_t *thread, const pthread_attr_t *attr,
			     void *(*fn)(void *), void *arg)
{
	int err = real.create(thread, attr, fn, arg);

	if (err == 0)
		count(&nr_passed);
	return err;
}

static int create(pthread_t *thread, const pthread_attr_t *attr,
		  void *(*fn)(void *), void *arg)
{
	struct wish wish;
	int err;

	if (!is_on || !read_wish(attr, &wish) || must_be_executable())
		return create_by_library(thread, attr, fn, arg);
	err = create_on_ours(thread, attr, fn, arg, &wish, wish.guard_len > 0);
	if (err >= 0)
		return err;
	err = create_by_library(thread, attr, fn, arg);
	if (err != EAGAIN)
		return err;
	err = create_on_ours(thread, attr, fn, arg, &wish, false);
	return err >= 0 ? err : EAGAIN;
}

SF_EXPORT int pthread_create(pthread_t *thread, const pthread_attr_t *attr,
			     void *(*fn)(void *), void *arg)
{
	pthread_attr_t defaults;
	int err;

	init();
	if (attr != NULL)
		return create(thread, attr, fn, arg);
	if (!is_on || pthread_getattr_default_np(&defaults) != 0)
		return real.create(thread, attr, fn, arg);
	err = create(thread, &defaults, fn, arg);
	pthread_attr_destroy(&defaults);
	return err;
}

/*
 * Waiting for them
 */

static int joined(pthread_t thread, int err)
{
	if (err == 0)
		sf_thread_stack_joined(thread);
	return err;
}

SF_EXPORT int pthread_join(pthread_t thread, void **result)
{
	init();
	return joined(thread, real.join(thread, result));
}

SF_EXPORT int pthread_tryjoin_np(pthread_t thread, void **result)
{
	init();
	return joined(thread, real.tryjoin(thread, result));
}

SF_EXPORT int pthread_timedjoin_np(pthread_t thread, void **result,
				   const struct timespec *until)
{
	init();
	return joined(thread, real.timedjoin(thread, result, until));
}

SF_EXPORT int pthread_clockjoin_np(pthread_t thread, void **result,
				   clockid_t clock,
				   const struct timespec *until)
{
	init();
	return joined(thread, real.clockjoin(thread, result, clock, until));
}

SF_EXPORT int pthread_detach(pthread_t thread)
{
	int err;

	init();
	err = real.detach(thread);
	if (err == 0)
		sf_thread_stack_detached(thread);
	return err;
}

/* The library knows of no guard of a stack that it did not make. */
SF_EXPORT int pthread_getattr_np(pthread_t thread, pthread_attr_t *attr)
{
	size_t guard_len;
	int err;

	init();
	err = real.getattr(thread, attr);
	if (err == 0 && sf_thread_stack_guard(thread, &guard_len))
		err = pthread_attr_setguardsize(attr, guard_len);
	return err;
}
