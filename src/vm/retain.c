// SPDX-License-Identifier: MIT
/* Counting what is retained, see retain.h. */
#include "vm/retain.h"

#include "base/option.h"

/* For malloc; ranges are retained only where the option is set. */
#define DEFAULT_LEN ((size_t)128 << 20)

static _Atomic size_t now_len;
static _Atomic size_t peak_len;

/* Relaxed, all of them: the counters order nothing. */

static void note_peak(size_t len)
{
	size_t peak = atomic_load_explicit(&peak_len, memory_order_relaxed);

	while (peak < len &&
	       !atomic_compare_exchange_weak_explicit(&peak_len, &peak, len,
						      memory_order_relaxed,
						      memory_order_relaxed))
		;
}

size_t sf_retain_bound(void)
{
	size_t bound = sf_option(SF_OPTION_RETAIN);

	return bound == 0 && !sf_option_is_set(SF_OPTION_RETAIN) ? DEFAULT_LEN :
								   bound;
}

bool sf_retain_try(size_t len)
{
	size_t bound = sf_retain_bound();
	size_t now = atomic_load_explicit(&now_len, memory_order_relaxed);

	do {
		if (len > bound || now > bound - len)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(&now_len, &now,
							now + len,
							memory_order_relaxed,
							memory_order_relaxed));
	note_peak(now + len);
	return true;
}

void sf_retain_end(size_t len)
{
	atomic_fetch_sub_explicit(&now_len, len, memory_order_relaxed);
}

size_t sf_retain_len(void)
{
	return atomic_load_explicit(&now_len, memory_order_relaxed);
}

size_t sf_retain_peak_len(void)
{
	return atomic_load_explicit(&peak_len, memory_order_relaxed);
}

bool sf_retain_is_within(size_t keep_len)
{
	return keep_len > 0 && sf_retain_len() <= keep_len;
}
