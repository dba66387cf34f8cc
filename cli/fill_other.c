// SPDX-License-Identifier: MIT
/*
 * Fills another process, see fill_other.h. The arithmetic is that of fill.c;
 * its hands are a loop of machine code that runs in the process, since some
 * 32,000 calls by ptrace would take seconds.
 */
#include "fill_other.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fill.h"
#include "os/maps.h"

#define CODE_PAGES 2
#define CODE_LEN   ((sizeof(sf_code_loop) + 7) / 8 * 8)

struct other {
	struct sf_remote *remote;
	pid_t pid;
	uint64_t code; /* address of the loop */
	uint64_t area; /* behind it: what is filled */
	size_t page_len;
	uint64_t mark;
};

static int set_there(void *arg, size_t page, size_t nr, int prot)
{
	const struct other *other = arg;

	if (nr == 0)
		return 0;
	return sf_remote_loop(other->remote, other->code,
			      other->area + page * other->page_len,
			      other->page_len, nr, prot, other->mark);
}

static int count_there(void *arg, size_t *nr)
{
	const struct other *other = arg;

	return sf_maps_count(other->pid, nr);
}

static int protect(const struct other *other, uint64_t addr, int prot)
{
	const uint64_t args[6] = { addr, other->page_len, (uint64_t)prot };

	return (int)sf_remote_call(other->remote, __NR_mprotect, args);
}

/* Put the code in, and the same protection at the other end. */
static int put_code(const struct other *other, uint64_t len)
{
	uint8_t code[CODE_LEN] = { 0 };
	uint64_t last = other->code + len - other->page_len;
	int err = protect(other, other->code, PROT_READ | PROT_EXEC);

	if (err == 0)
		err = protect(other, last, PROT_READ | PROT_EXEC);
	if (err != 0)
		return err;
	memcpy(code, sf_code_loop, sizeof(sf_code_loop));
	return sf_remote_poke(other->remote->tid, other->code, code,
			      sizeof(code));
}

static int64_t reserve(struct sf_remote *remote, uint64_t len)
{
	const uint64_t args[6] = {
		0,
		len,
		PROT_NONE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		(uint64_t)-1,
		0,
	};

	return sf_remote_call(remote, __NR_mmap, args);
}

static void unreserve(struct sf_remote *remote, uint64_t addr, uint64_t len)
{
	const uint64_t args[6] = { addr, len };

	sf_remote_call(remote, __NR_munmap, args);
}

/* How many to use up, after the mappings for the code. */
static int look(pid_t pid, size_t spare, size_t *limit, size_t *missing)
{
	size_t nr;
	int err = sf_maps_count(pid, &nr);

	if (err == 0)
		err = sf_fill_look(nr, spare, limit, missing);
	if (err == 0 && *missing < CODE_PAGES + 1)
		err = -ERANGE;
	return err;
}

int sf_fill_other(struct sf_remote *remote, pid_t pid, size_t spare,
		  uint64_t mark)
{
	static const struct sf_fill_hands there = { set_there, count_there };
	size_t page_len = (size_t)sysconf(_SC_PAGESIZE);
	struct other other = { remote, pid, 0, 0, page_len, mark };
	struct sf_fill fill = { &there, &other, NULL, 0, page_len, 0, false };
	size_t limit, missing;
	uint64_t len;
	int64_t addr;
	int err = look(pid, spare, &limit, &missing);

	if (err != 0)
		return err;
	fill.len = sf_fill_len(missing, page_len);
	len = fill.len + CODE_PAGES * page_len;
	addr = reserve(remote, len);
	if (addr < 0)
		return (int)addr;
	other.code = (uint64_t)addr;
	other.area = other.code + page_len;
	err = put_code(&other, len);
	if (err == 0)
		err = sf_fill_settle(&fill, limit, spare);
	if (err != 0 && remote->ended == 0)
		unreserve(remote, other.code, len);
	return err;
}
