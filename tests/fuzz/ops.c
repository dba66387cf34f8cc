// SPDX-License-Identifier: MIT
/*
 * libFuzzer target: the input's bytes are choices of the reference model, so
 * every input is a sequence of operations, checked as in random_model.
 *
 *	clang -fsanitize=fuzzer,address ...; ./ops -max_len=4096 CORPUS
 */
#include "../model/model.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct model m;

	model_init(&m, data, len, 1);
	while (model_step(&m))
		continue;
	model_finish(&m);
	return 0;
}
