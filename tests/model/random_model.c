// SPDX-License-Identifier: MIT
/*
 * Random operations on the library and on the reference model beside it.
 *
 *	random_model [COUNT [SEED]]
 *
 * A difference prints the seed and the number of the operation; MODEL_TRACE=1
 * in the environment prints every operation before it.
 */
#include "model.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define DEFAULT_COUNT 1000000u
#define CHECK_EVERY   8192u

int main(int argc, char **argv)
{
	static struct model m;
	uint64_t count = DEFAULT_COUNT;
	uint64_t seed = (uint64_t)time(NULL) * 1000003u + (uint64_t)getpid();

	if (getenv("TEST_SEED") != NULL)
		seed = strtoull(getenv("TEST_SEED"), NULL, 0);
	if (argc > 1)
		count = strtoull(argv[1], NULL, 0);
	if (argc > 2)
		seed = strtoull(argv[2], NULL, 0);
	printf("%llu operations, seed %llu\n", (unsigned long long)count,
	       (unsigned long long)seed);
	fflush(stdout);
	model_init(&m, NULL, 0, seed);
	for (uint64_t i = 0; i < count; i++) {
		model_step(&m);
		if (i % CHECK_EVERY == CHECK_EVERY - 1)
			model_check(&m);
	}
	model_finish(&m);
	model_report(&m);
	return 0;
}
