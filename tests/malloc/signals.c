// SPDX-License-Identifier: MIT
/*
 * Signals by the thousand, without SA_RESTART, while threads play with blocks:
 * they interrupt every system call and every moment of a call. Handlers do not
 * allocate, as malloc() may not be called from one.
 */
#include "test.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "calls.h"
#include "operations.h"

#define NR_THREADS 4
#define NR_OPS	   12000
#define PERIOD_US  150

static atomic_ulong nr_signals;
static atomic_int nr_playing;
static uint64_t seed;

static void on_signal(int number)
{
	volatile char room[2000];

	room[0] = (char)number;
	room[1999] = room[0];
	atomic_fetch_add_explicit(&nr_signals, 1, memory_order_relaxed);
}

static void catch (int number, int flags)
{
	struct sigaction action = { .sa_handler = on_signal,
				    .sa_flags = flags };

	sigemptyset(&action.sa_mask);
	CHECK_OK(sigaction(number, &action, NULL));
}

static void *play(void *arg)
{
	static struct player players[NR_THREADS];
	size_t number = (size_t)(uintptr_t)arg;
	struct player *player = &players[number];
	char stack[32768];
	stack_t alternate = { .ss_sp = stack, .ss_size = sizeof(stack) };

	CHECK_OK(sigaltstack(&alternate, NULL));
	player_init(player, NULL, 0, seed + number);
	player->len_max = (size_t)4 << 20;
	player->used_len_max = (size_t)48 << 20;
	while (player->nr_ops < NR_OPS && player_step(player))
		continue;
	player_check(player);
	player_finish(player);
	alternate.ss_flags = SS_DISABLE;
	sigaltstack(&alternate, NULL);
	atomic_fetch_sub(&nr_playing, 1);
	return NULL;
}

/* The timer hits whichever thread runs; others are hit by pthread_kill(). */
static void signals_interrupt_every_moment(void)
{
	struct itimerval timer = { { 0, PERIOD_US }, { 0, PERIOD_US } };
	struct itimerval none = { { 0, 0 }, { 0, 0 } };
	pthread_t threads[NR_THREADS];

	seed = test_seed();
	catch (SIGALRM, SA_ONSTACK);
	catch (SIGUSR1, 0);
	CHECK_OK(setitimer(ITIMER_REAL, &timer, NULL));
	atomic_store(&nr_playing, NR_THREADS);
	for (uintptr_t i = 0; i < NR_THREADS; i++)
		if (!CHECK_EQ(pthread_create(&threads[i], NULL, play,
					     (void *)i),
			      0))
			return;
	/* Not joined yet: they can be sent signals to. */
	for (unsigned i = 0; atomic_load(&nr_playing) > 0; i++) {
		pthread_kill(threads[i % NR_THREADS], SIGUSR1);
		free(malloc(i % 5000));
		sched_yield();
	}
	for (int i = 0; i < NR_THREADS; i++)
		pthread_join(threads[i], NULL);
	CHECK_OK(setitimer(ITIMER_REAL, &none, NULL));
	player_empty_slots();
	CHECK_GT(atomic_load(&nr_signals), 100);
}

static const struct test tests[] = {
	{ "signals interrupt every moment", signals_interrupt_every_moment },
};

int main(int argc, char **argv)
{
	calls_surefree();
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
