/* SPDX-License-Identifier: MIT */
/* The summary at exit, for layers that add to it. */
#ifndef SF_MALLOC_SUMMARY_H
#define SF_MALLOC_SUMMARY_H

#include <stdint.h>

#include "os/text.h"

struct sf_amount {
	char text[24];
};

/* Bytes for people: "1.5 MiB". */
struct sf_amount sf_amount(uint64_t len);

/* Called to add lines; set before main(). */
extern void (*sf_summary_more)(struct sf_text *out);

#endif
