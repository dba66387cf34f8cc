// SPDX-License-Identifier: MIT
/*
 * surefree probe: what this kernel offers, and experiments that show what the
 * limit on mappings does here, to plain Linux and to surefree. One entry for
 * each experiment; without one named, the kernel and the first two.
 */
#include <dlfcn.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>

#include "cmd.h"
#include "experiment.h"
#include "fill.h"
#include "surefree.h"

#define DEFAULT_SIZE  "128K"
#define DEFAULT_COUNT "20000"
#define DEFAULT_SPARE "20"

static const struct sf_malloc_plan default_plan = {
	.block_len = 128 << 10,
	.nr_blocks = 20000,
	.spare = 20,
};

void sf_experiment_say(const char *name, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "surefree probe %s: ", name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

int sf_experiment_cannot(const char *name, int err)
{
	char buf[24];

	sf_experiment_say(name,
			  "cannot start a process (%s); free memory or "
			  "raise ulimit -u",
			  sf_errno_name(-err, buf, sizeof(buf)));
	return SF_EXIT_CANNOT;
}

int sf_experiment_ended(const char *name, const struct sf_child_end *end)
{
	if (end->signal == 0)
		return SF_EXIT_FINE;
	if (end->signal != SIGKILL && end->signal != SIGALRM)
		return SF_EXIT_FINDING;
	sf_experiment_say(
		name, end->signal == SIGKILL ?
			      "the process was killed, out of memory perhaps; "
			      "free some" :
			      "the process was stuck; try on an idle machine");
	return SF_EXIT_CANNOT;
}

int sf_experiment_worse(int a, int b)
{
	if (a == SF_EXIT_FINDING || b == SF_EXIT_FINDING)
		return SF_EXIT_FINDING;
	return a > b ? a : b;
}

const char *sf_experiment_libc(char *buf, size_t buf_len)
{
	/* POSIX wants this detour from an object pointer to a function's. */
	union {
		void *object;
		const char *(*function)(void);
	} version = { .object = dlsym(RTLD_DEFAULT, "gnu_get_libc_version") };

	if (version.object != NULL)
		snprintf(buf, buf_len, "glibc %s", version.function());
	else
		snprintf(buf, buf_len, "unknown");
	return buf;
}

/* Write what belongs to every document, and end it. */
static int finish(struct sf_out *out, int code)
{
	sf_out_top(out, "version", sf_cell_text(surefree_version()));
	sf_out_top(out, "finding", sf_cell_bool(code == SF_EXIT_FINDING));
	if (sf_out_close(out) == 0)
		return code;
	fprintf(stderr, "surefree probe: out of memory for JSON\n");
	return SF_EXIT_CANNOT;
}

static int run_kernel(const struct sf_args *args)
{
	struct sf_out out;

	sf_out_open(&out, args->json);
	return finish(&out, sf_experiment_kernel(&out));
}

static int run_munmap(const struct sf_args *args)
{
	struct sf_out out;

	sf_out_open(&out, args->json);
	return finish(&out, sf_experiment_munmap(&out, args->opt[0].nr));
}

static int run_malloc(const struct sf_args *args)
{
	struct sf_malloc_plan plan = {
		.block_len = args->opt[0].nr,
		.nr_blocks = args->opt[1].nr,
		.spare = args->opt[2].nr,
	};
	struct sf_out out;

	sf_out_open(&out, args->json);
	return finish(&out, sf_experiment_malloc(&out, &plan));
}

static int run_threads(const struct sf_args *args)
{
	struct sf_out out;

	sf_out_open(&out, args->json);
	return finish(&out, sf_experiment_threads(&out));
}

static int run_all(const struct sf_args *args)
{
	struct sf_out out;
	int code;

	sf_out_open(&out, args->json);
	code = sf_experiment_kernel(&out);
	code = sf_experiment_worse(code, sf_experiment_munmap(&out, 0));
	code = sf_experiment_worse(code,
				   sf_experiment_malloc(&out, &default_plan));
	return finish(&out, code);
}

static const struct sf_cmd kernel = {
	.name = "kernel",
	.summary = "Print the limits and what the kernel offers",
	.examples = {
		"surefree probe kernel",
		"surefree probe kernel --json",
	},
	.run = run_kernel,
};

static const struct sf_opt munmap_opts[] = {
	{ "count", 'n', SF_OPT_COUNT, "COUNT",
	  "pages to map, not twice the limit", NULL, 2, 1000000000 },
	{ 0 },
};

static const struct sf_cmd munmap_ = {
	.name = "munmap",
	.summary = "Map twice the limit in pages, unmap every second one",
	.opts = munmap_opts,
	.examples = {
		"surefree probe munmap",
		"surefree probe munmap -n 262144 --json",
	},
	.run = run_munmap,
};

static const struct sf_opt malloc_opts[] = {
	{ "size", 's', SF_OPT_SIZE, "SIZE", "bytes of a block", DEFAULT_SIZE, 1,
	  (uint64_t)1 << 40 },
	{ "count", 'n', SF_OPT_COUNT, "COUNT", "number of blocks",
	  DEFAULT_COUNT, 2, 100000000 },
	{ "spare", 0, SF_OPT_COUNT, "N", "mappings to leave unused",
	  DEFAULT_SPARE, 0, SF_FILL_MAX },
	{ 0 },
};

static const struct sf_cmd malloc_ = {
	.name = "malloc",
	.summary = "Free blocks of the malloc that is loaded, at the limit",
	.opts = malloc_opts,
	.examples = {
		"surefree probe malloc -s 1M -n 2000",
		"LD_PRELOAD=libjemalloc.so.2 surefree probe malloc",
	},
	.run = run_malloc,
};

static const struct sf_cmd threads = {
	.name = "threads",
	.summary = "Join threads at the limit: can releasing a stack abort?",
	.examples = {
		"surefree probe threads",
		"surefree probe threads --json",
	},
	.run = run_threads,
};

static const struct sf_cmd *const subs[] = {
	&kernel, &munmap_, &malloc_, &threads, NULL,
};

const struct sf_cmd sf_cmd_probe = {
	.name = "probe",
	.summary = "Show what the limit on mappings does here",
	.subs = subs,
	.examples = {
		"surefree probe",
		"surefree probe threads --json",
	},
	.run = run_all,
};
