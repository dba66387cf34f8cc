// SPDX-License-Identifier: MIT
/* Sampling, and switching it on and off; see profile.h. */
#include "malloc/profile.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/option.h"
#include "malloc/backtrace.h"
#include "malloc/heap.h"
#include "malloc/profile_file.h"
#include "malloc/samples.h"
#include "os/text.h"
#include "vm/account.h"
#include "vm/fork.h"

#define PATH_LEN 4096
#define MAX_TOLD 400 /* of it, in a line on stderr */

_Atomic unsigned sf_profile_state;

/* Taken in this order, before all others. */
static struct sf_lock control_lock;
static struct sf_lock samples_lock;

/* Under the control lock. */
static char path[PATH_LEN];
static pid_t begun_by;	  /* the process that writes it */
static unsigned nr_files; /* written, or tried to */
static int told_err;	  /* at start, of the first file */

/* Changed under both locks. */
static _Atomic size_t mean;
static _Atomic unsigned nr_begun; /* intervals drawn before are void */

/* What a thread knows of its sampling. */
static _Thread_local struct {
	size_t left;	/* bytes to the next sample */
	uint64_t rng;	/* 0: not used yet */
	unsigned begun; /* the nr_begun that left belongs to */
	bool inside;	/* what is allocated now is not the program's */
} mine __attribute__((tls_model("initial-exec")));

static bool is_on(void)
{
	return (atomic_load_explicit(&sf_profile_state, memory_order_relaxed) &
		SF_PROFILE_ON) != 0;
}

/*
 * Sampling
 */

static uint64_t random_bits(void)
{
	struct timespec now;

	if (mine.rng == 0) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		mine.rng = ((uintptr_t)&mine ^ (uint64_t)now.tv_nsec << 32) *
				   0x9e3779b97f4a7c15u |
			   1;
	}
	mine.rng ^= mine.rng << 13;
	mine.rng ^= mine.rng >> 7;
	mine.rng ^= mine.rng << 17;
	return mine.rng * 0x2545f4914f6cdd1du;
}

/* -ln(x / 2^53) for 0 < x <= 2^53, to 6 digits, without the C library's. */
static double minus_log(uint64_t x)
{
	unsigned exponent = 63 - (unsigned)__builtin_clzl(x);
	double m = (double)x / (double)((uint64_t)1 << exponent);
	double t = (m - 1) / (m + 1);
	double s = t * t;
	double log_m = 2 * t *
		       (1 + s * (1. / 3 + s * (1. / 5 + s * (1. / 7 + s / 9))));

	return (53 - (double)exponent) * 0.693147180559945 - log_m;
}

static size_t draw_interval(void)
{
	uint64_t x = (random_bits() >> 11) + 1;
	size_t length = atomic_load_explicit(&mean, memory_order_relaxed);

	return (size_t)(minus_log(x) * (double)length);
}

/* Whether a block of size bytes is to be sampled. */
static bool count_down(size_t size)
{
	unsigned begun = atomic_load_explicit(&nr_begun, memory_order_relaxed);

	if (mine.begun != begun) {
		mine.begun = begun;
		mine.left = draw_interval();
	}
	if (mine.left > size) {
		mine.left -= size;
		return false;
	}
	mine.left = draw_interval();
	return true;
}

static void add_sample(void *block, size_t size)
{
	void *frames[SF_BACKTRACE_MAX];
	struct sf_stack stack = sf_backtrace(frames);
	bool added = true;

	sf_lock_acquire(&samples_lock, SF_RANK_SAMPLES);
	if (is_on()) {
		added = sf_samples_add((uintptr_t)block, size, stack);
		sf_count(added ? SF_COUNT_SAMPLES : SF_COUNT_SAMPLES_LOST, 1);
	}
	sf_lock_release(&samples_lock, SF_RANK_SAMPLES);
}

static void switch_over(void);

void sf_profile_took(void *block, size_t size)
{
	int saved = errno;

	if (mine.inside)
		return;
	mine.inside = true;
	switch_over();
	size = sf_max(size, 1);
	if (is_on() && count_down(size))
		add_sample(block, size);
	mine.inside = false;
	errno = saved;
}

void sf_profile_freed(void *block)
{
	int saved = errno;

	if (!mine.inside) {
		mine.inside = true;
		switch_over();
		mine.inside = false;
	}
	errno = saved;
	if (!sf_samples_may_have((uintptr_t)block))
		return;
	sf_lock_acquire(&samples_lock, SF_RANK_SAMPLES);
	if (is_on())
		sf_samples_remove((uintptr_t)block);
	sf_lock_release(&samples_lock, SF_RANK_SAMPLES);
}

/*
 * Switching. All of it under the control lock, with mine.inside set.
 */

static int begin(void)
{
	int err = sf_option_profile()[0] != '\0' ? sf_samples_open() : -ENOENT;

	if (err != 0) {
		sf_warn("profile: cannot begin: %s",
			err == -ENOENT ? "no file is set" : strerror(-err));
		return err;
	}
	atomic_store_explicit(&mean, sf_max(sf_option(SF_OPTION_SAMPLE), 1),
			      memory_order_relaxed);
	atomic_fetch_add_explicit(&nr_begun, 1, memory_order_relaxed);
	begun_by = getpid();
	sf_text_keep_stderr();
	/* In this order: no sampled block is freed unseen. */
	sf_heap_set_slow(true);
	atomic_fetch_or(&sf_profile_state, SF_PROFILE_ON);
	return 0;
}

/* To standard error, also when the program closed it, as some do at exit. */
static void tell(int err)
{
	struct sf_text out;
	int fd = sf_text_stderr();

	if (fd < 0)
		return;
	sf_text_use(&out, fd);
	sf_text_print(&out, "surefree: profile: cannot write %.*s: %s\n",
		      MAX_TOLD, path, strerror(-err));
	sf_text_flush(&out);
}

/* Write to the file whose name stands in path. */
static int write_path(void)
{
	int err;

	nr_files++;
	sf_lock_acquire(&samples_lock, SF_RANK_SAMPLES);
	err = sf_profile_write(path,
			       atomic_load_explicit(&mean,
						    memory_order_relaxed));
	sf_lock_release(&samples_lock, SF_RANK_SAMPLES);
	if (err != 0 && err != told_err)
		tell(err);
	told_err = 0;
	return err;
}

static int set_path(void)
{
	return sf_profile_path(path, sizeof(path), sf_option_profile(),
			       nr_files + 1);
}

/* A forked child does not write over its parent's. */
static bool may_write(void)
{
	return begun_by == getpid() || sf_profile_has_pid(sf_option_profile());
}

static int write_now(void)
{
	int err = may_write() ? set_path() : 0;

	return err == 0 && may_write() ? write_path() : err;
}

static int end(void)
{
	int err = write_now();

	sf_lock_acquire(&samples_lock, SF_RANK_SAMPLES);
	atomic_fetch_and(&sf_profile_state, ~SF_PROFILE_ON);
	sf_samples_close();
	sf_lock_release(&samples_lock, SF_RANK_SAMPLES);
	sf_heap_set_slow(false);
	return err;
}

/* Do what the signal asked for. */
static void switch_over(void)
{
	/* Within fork() the heaps are stopped already: later. */
	if ((atomic_load_explicit(&sf_profile_state, memory_order_relaxed) &
	     SF_PROFILE_WANTED) == 0 ||
	    sf_lock_owns_all())
		return;
	sf_lock_acquire(&control_lock, SF_RANK_CONTROL);
	if ((atomic_fetch_and(&sf_profile_state, ~SF_PROFILE_WANTED) &
	     SF_PROFILE_WANTED) != 0) {
		if (is_on())
			end();
		else
			begin();
	}
	sf_lock_release(&control_lock, SF_RANK_CONTROL);
}

static int set_locked(const char *where, const char *value)
{
	bool has_path = is_on() && may_write() && set_path() == 0;
	int err = sf_option_set(where, "profile", value);

	if (err != 0)
		return err;
	if (sf_option(SF_OPTION_PROFILE) == 0)
		return is_on() ? end() : 0;
	if (!is_on())
		return begin();
	/* To the file that was set before. */
	return has_path ? write_path() : 0;
}

int sf_profile_set(const char *where, const char *value)
{
	bool was_inside = mine.inside;
	int err;

	mine.inside = true;
	sf_heap_init();
	sf_backtrace_init();
	sf_lock_acquire(&control_lock, SF_RANK_CONTROL);
	err = set_locked(where, value);
	sf_lock_release(&control_lock, SF_RANK_CONTROL);
	mine.inside = was_inside;
	return err;
}

/*
 * Start and end of the process, and fork()
 */

static void on_signal(int number)
{
	(void)number;
	atomic_fetch_or(&sf_profile_state, SF_PROFILE_WANTED);
	sf_heap_hint_slow();
}

static void install_handler(void)
{
	struct sigaction action = { .sa_handler = on_signal,
				    .sa_flags = SA_RESTART };
	size_t number = sf_option(SF_OPTION_PROFILE_SIGNAL);

	sigemptyset(&action.sa_mask);
	if (sigaction((int)sf_min(number, INT32_MAX), &action, NULL) != 0)
		sf_warn("profile_signal=%zu: %s", number, strerror(errno));
}

/* What would be told at exit is of more use now. */
static void look_at_path(void)
{
	told_err = set_path();
	if (told_err == 0)
		told_err = sf_profile_look(path);
	if (told_err != 0)
		tell(told_err);
}

static void lock_all(void)
{
	sf_lock_acquire(&control_lock, SF_RANK_CONTROL);
	sf_lock_acquire(&samples_lock, SF_RANK_SAMPLES);
}

static void unlock_all(void)
{
	sf_lock_release(&samples_lock, SF_RANK_SAMPLES);
	sf_lock_release(&control_lock, SF_RANK_CONTROL);
}

static const struct sf_fork_layer fork_layer = {
	.prepare = lock_all,
	.parent = unlock_all,
	.child = unlock_all,
};

void sf_profile_start(void)
{
	bool has_signal;

	sf_fork_set_layer(SF_FORK_PROFILE, &fork_layer);
	sf_state_init();
	has_signal = sf_option(SF_OPTION_PROFILE_SIGNAL) != 0;
	if (!has_signal && sf_option(SF_OPTION_PROFILE) == 0)
		return;
	mine.inside = true;
	sf_heap_init();
	sf_backtrace_init();
	sf_lock_acquire(&control_lock, SF_RANK_CONTROL);
	if (sf_option(SF_OPTION_PROFILE) != 0)
		look_at_path();
	if (!has_signal)
		begin();
	sf_lock_release(&control_lock, SF_RANK_CONTROL);
	if (has_signal)
		install_handler();
	mine.inside = false;
}

__attribute__((destructor)) static void at_exit(void)
{
	mine.inside = true;
	sf_lock_acquire(&control_lock, SF_RANK_CONTROL);
	if (is_on())
		write_now();
	sf_lock_release(&control_lock, SF_RANK_CONTROL);
	mine.inside = false;
}
