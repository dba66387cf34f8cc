// SPDX-License-Identifier: MIT
/*
 * Under a seccomp filter, as in containers and sandboxes: membarrier() is
 * refused, from the start of the program or from some moment on.
 */
#include "test.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "calls.h"
#include "operations.h"

#define NR_THREADS 4
#define NR_OPS	   5000

/* Refuse membarrier() to this process and what it executes. */
static bool refuse_membarrier(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_membarrier, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { TEST_COUNT(code), code };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER,
		       SECCOMP_FILTER_FLAG_TSYNC, &program) == 0;
}

static void *play(void *arg)
{
	static struct player players[NR_THREADS];
	size_t number = (size_t)(uintptr_t)arg;
	struct player *player = &players[number];

	player_init(player, NULL, 0, number + 7);
	player->len_max = (size_t)1 << 20;
	player->used_len_max = (size_t)16 << 20;
	while (player->nr_ops < NR_OPS && player_step(player))
		if (player->nr_ops % 500 == 0)
			calls_trim();
	player_check(player);
	player_finish(player);
	return NULL;
}

static void play_in_threads(void)
{
	struct surefree_stats stats;
	pthread_t threads[NR_THREADS];

	for (uintptr_t i = 0; i < NR_THREADS; i++)
		if (!CHECK_EQ(pthread_create(&threads[i], NULL, play,
					     (void *)i),
			      0))
			return;
	for (int i = 0; i < NR_THREADS; i++)
		pthread_join(threads[i], NULL);
	player_empty_slots();
	calls_trim();
	if (calls_stats(&stats))
		CHECK_EQ(stats.retained_len, 0);
}

/* Also what the executed program does. */
static void players_play(void)
{
	if (getenv("TEST_FILTERED") != NULL)
		CHECK(syscall(__NR_membarrier, 0, 0, 0) == -1 &&
		      errno == EPERM);
	play_in_threads();
}

static int execute_filtered(void *arg)
{
	char *argv[] = { (char *)"filters", arg, NULL };

	setenv("TEST_FILTERED", "1", 1);
	if (!refuse_membarrier())
		return 77;
	execv("/proc/self/exe", argv);
	return 99;
}

static void membarrier_may_be_refused_from_the_start(void)
{
	static char words[] = "players play";
	int status = test_in_child(execute_filtered, words);

	if (status == 77)
		SKIP("no seccomp filters here");
	CHECK_EQ(status, 0);
}

static void *refuse_later(void *arg)
{
	(void)arg;
	play_in_threads();
	return NULL;
}

static void membarrier_may_be_refused_later(void)
{
	pthread_t thread;

	/* Allocates, beside a thread: it was allowed so far. */
	if (!CHECK_EQ(pthread_create(&thread, NULL, refuse_later, NULL), 0))
		return;
	free(malloc(100));
	if (!refuse_membarrier())
		test_skip("no seccomp filters here");
	pthread_join(thread, NULL);
	play_in_threads();
}

static const struct test tests[] = {
	{ "players play", players_play },
	{ "membarrier may be refused from the start",
	  membarrier_may_be_refused_from_the_start },
	{ "membarrier may be refused later", membarrier_may_be_refused_later },
};

int main(int argc, char **argv)
{
	calls_surefree();
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
