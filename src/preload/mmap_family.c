// SPDX-License-Identifier: MIT
/* The C library's names of the mmap family, for unmodified programs. */
/* Would make the headers call mmap() mmap64(). */
#undef _FILE_OFFSET_BITS

#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>

#include "base/compiler.h"
#include "mmap/mmap.h"
#include "os/page.h"

#define ADVICE_DONTNEED 4

typedef int msync_fn(void *addr, size_t len, int flags);

/* The C library's: a cancellation point, the only one of the family. */
static msync_fn *real_msync(void)
{
	static _Atomic(msync_fn *) real;
	msync_fn *found = real;
	void *symbol;

	if (SF_UNLIKELY(found == NULL)) {
		symbol = dlsym(RTLD_NEXT, "msync");
		memcpy(&found, &symbol, sizeof(found));
		real = found;
	}
	return found;
}

__attribute__((constructor)) static void at_load(void)
{
	sf_mmap_start();
	/* A handler may be the first that needs it. */
	real_msync();
}

static void *address(long result)
{
	if (SF_LIKELY(!sf_page_is_error(result)))
		return (void *)result;
	errno = (int)-result;
	return MAP_FAILED;
}

static int status(int result)
{
	if (SF_LIKELY(result >= 0))
		return result;
	errno = -result;
	return -1;
}

SF_EXPORT void *mmap(void *addr, size_t len, int prot, int flags, int fd,
		     off_t off)
{
	return address(sf_mmap_map((uintptr_t)addr, len, prot, flags, fd, off));
}

SF_EXPORT void *mmap64(void *addr, size_t len, int prot, int flags, int fd,
		       off64_t off)
{
	return address(sf_mmap_map((uintptr_t)addr, len, prot, flags, fd, off));
}

SF_EXPORT int munmap(void *addr, size_t len)
{
	return status(sf_mmap_unmap((uintptr_t)addr, len));
}

SF_EXPORT int mprotect(void *addr, size_t len, int prot)
{
	return status(sf_mmap_protect((uintptr_t)addr, len, prot, -1));
}

SF_EXPORT int pkey_mprotect(void *addr, size_t len, int prot, int key)
{
	return status(sf_mmap_protect((uintptr_t)addr, len, prot, key));
}

SF_EXPORT void *mremap(void *addr, size_t old_len, size_t len, int flags, ...)
{
	uintptr_t to;
	va_list args;

	/* There or not, as the C library does it; the kernel looks at flags. */
	va_start(args, flags);
	to = (uintptr_t)va_arg(args, void *);
	va_end(args);
	return address(sf_mmap_remap((uintptr_t)addr, old_len, len, flags, to));
}

SF_EXPORT int madvise(void *addr, size_t len, int advice)
{
	return status(sf_mmap_advise((uintptr_t)addr, len, advice));
}

/* What POSIX calls so discards nothing; the C library does nothing either. */
SF_EXPORT int posix_madvise(void *addr, size_t len, int advice)
{
	if (advice == ADVICE_DONTNEED)
		return 0;
	return -sf_mmap_advise((uintptr_t)addr, len, advice);
}

SF_EXPORT int mlock(const void *addr, size_t len)
{
	return status(sf_mmap_lock((uintptr_t)addr, len, 0));
}

SF_EXPORT int mlock2(const void *addr, size_t len, unsigned flags)
{
	return status(sf_mmap_lock((uintptr_t)addr, len, flags));
}

SF_EXPORT int munlock(const void *addr, size_t len)
{
	return status(sf_mmap_unlock((uintptr_t)addr, len));
}

SF_EXPORT int mlockall(int flags)
{
	return status(sf_mmap_lock_all(flags));
}

SF_EXPORT int munlockall(void)
{
	return status(sf_mmap_unlock_all());
}

SF_EXPORT void *shmat(int id, const void *addr, int flags)
{
	struct shmid_ds segment = { 0 };
	int err = errno;

	if (shmctl(id, IPC_STAT, &segment) != 0)
		errno = err;
	return address(
		sf_mmap_attach(id, (uintptr_t)addr, segment.shm_segsz, flags));
}

SF_EXPORT int shmdt(const void *addr)
{
	return status(sf_mmap_detach((uintptr_t)addr));
}

SF_EXPORT int mincore(void *addr, size_t len, unsigned char *vec)
{
	return status(sf_mmap_residency((uintptr_t)addr, len, vec));
}

/* As the kernel: what is mapped is written, and the hole told at the end. */
SF_EXPORT int msync(void *addr, size_t len, int flags)
{
	int result = real_msync()(addr, len, flags);

	if (result != 0)
		return result;
	return status(sf_mmap_look((uintptr_t)addr, len));
}
