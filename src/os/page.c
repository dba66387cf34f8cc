// SPDX-License-Identifier: MIT
/*
 * The only file that changes the address space. One function, one call; what
 * to do when a call is refused is decided above, in vm/.
 */
#include "os/page.h"

#include <errno.h>
#include <linux/magic.h>
#include <linux/mman.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/vfs.h>

#include "base/compiler.h"
#include "base/log.h"
#include "os/probe.h"
#include "os/sys.h"

#define RESERVED_FLAGS (MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE)

size_t sf_page_size;
unsigned sf_page_shift;

void sf_page_init(void)
{
	sf_page_size = getauxval(AT_PAGESZ);
	if (!sf_is_power_of_two(sf_page_size))
		sf_fatal("the kernel gives no page size (AT_PAGESZ)");
	sf_page_shift = (unsigned)__builtin_ctzl(sf_page_size);
}

static long map(uintptr_t addr, size_t len, int prot, int flags, int fd,
		off_t off)
{
	return sf_sys(__NR_mmap, (long)addr, (long)len, prot, flags, fd, off);
}

static int advise(uintptr_t addr, size_t len, int advice)
{
	return (int)sf_sys(__NR_madvise, (long)addr, (long)len, advice, 0, 0,
			   0);
}

int sf_page_reserve(size_t len, uintptr_t *out)
{
	long result = map(0, len, PROT_NONE, RESERVED_FLAGS, -1, 0);

	if (sf_page_is_error(result))
		return (int)result;
	*out = (uintptr_t)result;
	return 0;
}

/* Exactly here, or -EEXIST. */
static int map_where_free(uintptr_t addr, size_t len, int prot)
{
	long result = map(addr, len, prot,
			  RESERVED_FLAGS | SF_MAP_FIXED_NOREPLACE, -1, 0);

	if (sf_page_is_error(result))
		return (int)result;
	if ((uintptr_t)result != addr) {
		/* Before 4.17 the flag was unknown and the address a hint. */
		sf_page_unmap((uintptr_t)result, len);
		return -EEXIST;
	}
	return 0;
}

int sf_page_reserve_at(uintptr_t addr, size_t len)
{
	return map_where_free(addr, len, PROT_NONE);
}

int sf_page_unmap(uintptr_t addr, size_t len)
{
	return (int)sf_sys(__NR_munmap, (long)addr, (long)len, 0, 0, 0, 0);
}

int sf_page_commit(uintptr_t addr, size_t len)
{
	return (int)sf_sys(__NR_mprotect, (long)addr, (long)len,
			   PROT_READ | PROT_WRITE, 0, 0, 0);
}

int sf_page_uncommit(uintptr_t addr, size_t len)
{
	long result = map(addr, len, PROT_NONE, RESERVED_FLAGS | MAP_FIXED, -1,
			  0);

	return sf_page_is_error(result) ? (int)result : 0;
}

int sf_page_discard(uintptr_t addr, size_t len)
{
	return advise(addr, len, MADV_DONTNEED);
}

int sf_page_discard_locked(uintptr_t addr, size_t len)
{
	return advise(addr, len, SF_MADV_DONTNEED_LOCKED);
}

int sf_page_mark(uintptr_t addr, size_t len)
{
	return advise(addr, len, SF_MADV_GUARD_INSTALL);
}

int sf_page_unmark(uintptr_t addr, size_t len)
{
	return advise(addr, len, SF_MADV_GUARD_REMOVE);
}

int sf_page_populate(uintptr_t addr, size_t len)
{
	int err;

	if (sf_probe_has(SF_FEATURE_POPULATE_WRITE)) {
		do {
			err = advise(addr, len, SF_MADV_POPULATE_WRITE);
		} while (err == -EINTR || err == -EAGAIN);
		/* -EFAULT is what a full hugetlb or memory gives. */
		return err == -EFAULT ? -ENOMEM : err;
	}
	for (uintptr_t at = addr; at < addr + len; at += sf_page_size)
		*(volatile char *)at = 0;
	return 0;
}

int sf_page_set_huge(uintptr_t addr, size_t len, bool huge)
{
	return advise(addr, len, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}

int sf_page_unlock(uintptr_t addr, size_t len)
{
	return (int)sf_sys(__NR_munlock, (long)addr, (long)len, 0, 0, 0, 0);
}

int sf_page_residency(uintptr_t addr, size_t len, unsigned char *vec)
{
	return (int)sf_sys(__NR_mincore, (long)addr, (long)len, (long)vec, 0, 0,
			   0);
}

bool sf_page_any_resident(uintptr_t addr, size_t len)
{
	unsigned char vec[1024];
	size_t chunk_len = sizeof(vec) << sf_page_shift;

	for (size_t done = 0; done < len; done += chunk_len) {
		size_t part_len = sf_min(chunk_len, len - done);

		if (sf_page_residency(addr + done, part_len, vec) != 0)
			return true;
		for (size_t i = 0; i < part_len >> sf_page_shift; i++)
			/* NOLINTNEXTLINE: mincore() wrote it, unseen */
			if ((vec[i] & 1) != 0)
				return true;
	}
	return false;
}

/* MS_ASYNC does nothing but look. */
bool sf_page_is_mapped(uintptr_t addr, size_t len)
{
	return sf_page_call_sync(addr, len, MS_ASYNC) == 0;
}

bool sf_page_is_hugetlb(int fd)
{
	struct statfs file_system = { 0 };

	return sf_sys(__NR_fstatfs, fd, (long)&file_system, 0, 0, 0, 0) == 0 &&
	       file_system.f_type == HUGETLBFS_MAGIC;
}

int sf_page_map_file(uintptr_t addr, size_t len, int prot, int flags, int fd,
		     off_t off)
{
	long result = map(addr, len, prot, flags | MAP_FIXED, fd, off);

	return sf_page_is_error(result) ? (int)result : 0;
}

int sf_page_renew(uintptr_t addr, size_t len)
{
	long result = map(addr, len, PROT_READ | PROT_WRITE,
			  RESERVED_FLAGS | MAP_FIXED, -1, 0);

	return sf_page_is_error(result) ? (int)result : 0;
}

int sf_page_renew_at(uintptr_t addr, size_t len)
{
	return map_where_free(addr, len, PROT_READ | PROT_WRITE);
}

/*
 * As programs ask
 */

long sf_page_call_map(uintptr_t addr, size_t len, int prot, int flags, int fd,
		      off_t off)
{
	return map(addr, len, prot, flags, fd, off);
}

int sf_page_call_protect(uintptr_t addr, size_t len, int prot, int key)
{
	if (key == -1)
		return (int)sf_sys(__NR_mprotect, (long)addr, (long)len, prot,
				   0, 0, 0);
	return (int)sf_sys(__NR_pkey_mprotect, (long)addr, (long)len, prot, key,
			   0, 0);
}

long sf_page_call_remap(uintptr_t addr, size_t old_len, size_t len, int flags,
			uintptr_t to)
{
	return sf_sys(__NR_mremap, (long)addr, (long)old_len, (long)len, flags,
		      (long)to, 0);
}

int sf_page_call_advise(uintptr_t addr, size_t len, int advice)
{
	return advise(addr, len, advice);
}

int sf_page_call_lock(uintptr_t addr, size_t len, unsigned flags)
{
	if (flags == 0)
		return (int)sf_sys(__NR_mlock, (long)addr, (long)len, 0, 0, 0,
				   0);
	return (int)sf_sys(__NR_mlock2, (long)addr, (long)len, flags, 0, 0, 0);
}

int sf_page_call_bind(uintptr_t addr, size_t len,
		      const struct sf_policy *policy)
{
	return (int)sf_sys(__NR_mbind, (long)addr, (long)len, policy->mode,
			   (long)policy->nodes, (long)policy->nr_nodes,
			   policy->flags);
}

int sf_page_call_name(uintptr_t addr, size_t len, uintptr_t name)
{
	return (int)sf_sys(__NR_prctl, SF_PR_SET_VMA, SF_PR_SET_VMA_ANON_NAME,
			   (long)addr, (long)len, (long)name, 0);
}

int sf_page_call_lock_all(int flags)
{
	return (int)sf_sys(__NR_mlockall, flags, 0, 0, 0, 0, 0);
}

int sf_page_call_unlock_all(void)
{
	return (int)sf_sys(__NR_munlockall, 0, 0, 0, 0, 0, 0);
}

int sf_page_call_sync(uintptr_t addr, size_t len, int flags)
{
	return (int)sf_sys(__NR_msync, (long)addr, (long)len, flags, 0, 0, 0);
}

long sf_page_call_attach(int id, uintptr_t addr, int flags)
{
	return sf_sys(__NR_shmat, id, (long)addr, flags, 0, 0, 0);
}

int sf_page_call_detach(uintptr_t addr)
{
	return (int)sf_sys(__NR_shmdt, (long)addr, 0, 0, 0, 0, 0);
}
