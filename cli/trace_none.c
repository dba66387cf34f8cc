// SPDX-License-Identifier: MIT
/* In place of trace_bpf.c where BPF was left out of the build. */
#include <errno.h>

#include "trace.h"

int sf_trace_bpf(const struct sf_trace_plan *plan,
		 struct sf_trace_result *result, const char **why)
{
	(void)plan;
	(void)result;
	*why = "surefree was built without BPF";
	return -ENOSYS;
}
