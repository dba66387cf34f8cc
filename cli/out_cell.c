// SPDX-License-Identifier: MIT
/* Cells from values, see out.h. */
#include "out.h"

#include <stddef.h>

struct sf_cell sf_cell_none(void)
{
	return (struct sf_cell){ .kind = SF_CELL_NONE };
}

struct sf_cell sf_cell_text(const char *text)
{
	if (text == NULL)
		return sf_cell_none();
	return (struct sf_cell){ .kind = SF_CELL_TEXT, .text = text };
}

struct sf_cell sf_cell_count(uint64_t nr)
{
	return (struct sf_cell){ .kind = SF_CELL_COUNT, .nr = nr };
}

struct sf_cell sf_cell_size(uint64_t len)
{
	return (struct sf_cell){ .kind = SF_CELL_SIZE, .nr = len };
}

struct sf_cell sf_cell_share(double share)
{
	return (struct sf_cell){ .kind = SF_CELL_SHARE, .share = share };
}

struct sf_cell sf_cell_number(double number)
{
	return (struct sf_cell){ .kind = SF_CELL_NUMBER, .share = number };
}

struct sf_cell sf_cell_bool(bool yes)
{
	return (struct sf_cell){ .kind = SF_CELL_BOOL, .nr = yes };
}

struct sf_cell sf_cell_addr(uint64_t addr)
{
	return (struct sf_cell){ .kind = SF_CELL_ADDR, .nr = addr };
}

struct sf_cell sf_cell_mark(struct sf_cell cell, bool bad)
{
	cell.bad = bad;
	return cell;
}
