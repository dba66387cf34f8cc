// SPDX-License-Identifier: MIT
/*
 * The C library's names of what sets resource limits. RLIMIT_AS and RLIMIT_DATA
 * count what surefree has reserved and committed and nobody uses, so it lets go
 * of that when one of them is lowered.
 */
/* Would make the headers call setrlimit() setrlimit64(). */
#undef _FILE_OFFSET_BITS

#include <errno.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/compiler.h"
#include "malloc/pool.h"
#include "os/lock.h"
#include "os/sys.h"
#include "vm/fork.h"
#include "vm/limits.h"

static void obey(int resource)
{
	bool cut = resource == RLIMIT_AS;

	if ((cut && !sf_limits_should_cut()) ||
	    (!cut && resource != RLIMIT_DATA))
		return;
	/* A handler may have interrupted who holds a lock; and a child of
	   vfork() has its parent's memory. */
	if (sf_lock_depth > 0 || !sf_fork_is_own_process())
		return;
	sf_limits_obey(cut);
	if (cut)
		sf_pool_cut_all();
}

static int set(pid_t pid, int resource, const struct rlimit *limit,
	       struct rlimit *old)
{
	long result = sf_sys(__NR_prlimit64, pid, resource, (long)limit,
			     (long)old, 0, 0);

	if (result != 0) {
		errno = (int)-result;
		return -1;
	}
	if (limit != NULL && limit->rlim_cur != RLIM_INFINITY &&
	    (pid == 0 || pid == getpid()))
		obey(resource);
	return 0;
}

/* On 64-bit systems both structures are the same. */
_Static_assert(sizeof(struct rlimit) == sizeof(struct rlimit64), "one layout");

SF_EXPORT int setrlimit(__rlimit_resource_t resource,
			const struct rlimit *limit)
{
	return set(0, (int)resource, limit, NULL);
}

SF_EXPORT int setrlimit64(__rlimit_resource_t resource,
			  const struct rlimit64 *limit)
{
	return set(0, (int)resource, (const struct rlimit *)limit, NULL);
}

SF_EXPORT int prlimit(pid_t pid, enum __rlimit_resource resource,
		      const struct rlimit *limit, struct rlimit *old)
{
	return set(pid, (int)resource, limit, old);
}

SF_EXPORT int prlimit64(pid_t pid, enum __rlimit_resource resource,
			const struct rlimit64 *limit, struct rlimit64 *old)
{
	return set(pid, (int)resource, (const struct rlimit *)limit,
		   (struct rlimit *)old);
}
