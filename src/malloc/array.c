// SPDX-License-Identifier: MIT
/* Arrays that grow where they are, see array.h. */
#include "malloc/array.h"

#include "os/page.h"
#include "vm/reserve.h"

/* So much is made accessible at a time, where it may be. */
#define STEP ((size_t)16 << 20)

int sf_array_open(struct sf_array *array, size_t max_len)
{
	uintptr_t base;
	int err = sf_reserve(max_len, &base);

	if (err != 0)
		return err;
	/* Huge pages would fill what nobody touches. */
	sf_page_set_huge(base, max_len, false);
	*array = (struct sf_array){ base, max_len, 0 };
	return 0;
}

void sf_array_close(struct sf_array *array)
{
	sf_unreserve(array->base, array->max_len);
	*array = (struct sf_array){ 0 };
}

static bool commit(struct sf_array *array, size_t len)
{
	if (sf_page_commit(array->base + array->len, len - array->len) != 0)
		return false;
	array->len = len;
	return true;
}

bool sf_array_grow_slow(struct sf_array *array, size_t len)
{
	if (len > array->max_len)
		return false;
	len = sf_align_up(len, sf_page_size);
	/* A step is refused where writable memory is charged. */
	return commit(array, sf_min(sf_align_up(len, STEP), array->max_len)) ||
	       commit(array, len);
}
