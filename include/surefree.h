/* SPDX-License-Identifier: MIT */
/*
 * surefree: memory you release is released.
 *
 * On Linux a process may hold only so many mappings (vm.max_map_count, 65530),
 * and munmap() of memory that the kernel merged with its neighbours needs one
 * more of them. At the limit it is refused. This library hands out memory that
 * costs no mapping of its own and that can always be given back.
 *
 *	size_t len = 1 << 20;
 *	char *p = surefree_map(len, 0);
 *	if (p == NULL)
 *		err(1, "surefree_map");
 *	surefree_unmap(p + 4096, 4096);         // any part, cannot fail
 *	surefree_unmap(p, 4096);
 *	surefree_unmap(p + 8192, len - 8192);
 *
 * All memory lives in a few large regions. Reserving a region takes five
 * mappings, once; ten million ranges inside it take none.
 *
 * Lengths and addresses. A length is in bytes and is rounded up to whole
 * pages. An address that you pass in must lie on a page boundary.
 *
 * Errors. A function that returns a pointer returns NULL and sets errno, one
 * that returns int returns -1 and sets errno. A function that returns void
 * cannot fail and leaves errno alone.
 *
 * Misuse. Releasing or changing memory that is not mapped here prints one line
 * with the call, the address, the length and the cause, and aborts.
 *
 * Threads, fork, signals. Every function may be called from any thread, before
 * main() and after exit handlers have run. After fork() both processes go on
 * as usual, also when other threads were in the middle of a call. None may be
 * called from a signal handler, and none in a child made by vfork(), _Fork()
 * or a bare clone(). A handler may call fork(), also if it interrupted a call:
 * the child of a process with several threads then calls none of these. The
 * library stays loaded after dlclose().
 *
 * Linux 5.4 or newer, 64-bit, x86_64 and aarch64. Traps and guards need 6.13.
 */
#ifndef SUREFREE_H
#define SUREFREE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SUREFREE_VERSION_MAJOR 0
#define SUREFREE_VERSION_MINOR 1
#define SUREFREE_VERSION_PATCH 0

/* "MAJOR.MINOR.PATCH" of the library that is running. */
const char *surefree_version(void);

/*
 * Map and release
 */

/* An inaccessible page on either side; ENOTSUP where there are no guards. */
#define SUREFREE_GUARDED 0x01u
/* Transparent huge pages of 2 MiB, from a region of their own. The length is
   rounded up to 2 MiB; pass the rounded one to the other functions. */
#define SUREFREE_HUGE 0x02u
/* Have every page resident when the call returns. */
#define SUREFREE_POPULATE 0x04u
/* No trap when this is released: a little faster, bad use goes unseen. */
#define SUREFREE_NOTRAP 0x08u
/* surefree_remap() only: grow in place or fail, never move. */
#define SUREFREE_NOMOVE 0x10u

/*
 * Map len bytes: zeroed, readable, writable, on a page boundary (with
 * SUREFREE_HUGE on 2 MiB, and len is rounded up to 2 MiB). Needs no mapping,
 * unless a new region has to be reserved.
 *
 * NULL and errno: EINVAL (len is 0 or an unknown flag), ENOMEM (no address
 * space, commit charge or mapping for a new region; RLIMIT_AS, RLIMIT_DATA),
 * EAGAIN (RLIMIT_MEMLOCK under MCL_FUTURE), ENOTSUP (SUREFREE_GUARDED on a
 * kernel without guard markers, with the option trap=off, or on locked memory).
 */
void *surefree_map(size_t len, unsigned flags);

/*
 * The same at a multiple of align, a power of two of any size. Only len bytes
 * are taken: nothing is mapped too large and trimmed. EINVAL also when align
 * is not a power of two.
 */
void *surefree_map_aligned(size_t len, size_t align, unsigned flags);

/*
 * Release [addr, addr + len): any part of one map, or several that lie side by
 * side. Cannot fail, needs no mapping and allocates nothing. When it returns
 * the pages are back with the kernel (unless the option "retain" keeps them)
 * and, where the kernel has guard markers, touching the range raises SIGSEGV:
 * all of it up to 128 KiB, its first and last page when it is longer. A len of
 * 0 does nothing. No trap: with SUREFREE_NOTRAP, on retained and on locked
 * memory, and on memory that was never touched, cut out of the middle of a map
 * of more than 2 MiB, since a marker would need a new page table there.
 *
 * Memory that you locked is released too; what you changed otherwise with
 * mprotect() or madvise() you must change back before.
 */
void surefree_unmap(void *addr, size_t len);

/*
 * Drop the contents of [addr, addr + len) and give the pages back; the range
 * stays mapped and reads as zeros. Guards inside it stay. Cannot fail.
 */
void surefree_discard(void *addr, size_t len);

/*
 * Change the length of [addr, addr + old_len) to new_len and return where it
 * is now. New bytes are zero. Shrinking cannot fail and stays in place. Growing
 * stays in place when the neighbouring addresses are free; otherwise the
 * contents move, pages that were never touched stay untouched, and old
 * addresses are released as by surefree_unmap(). Takes SUREFREE_NOMOVE,
 * SUREFREE_POPULATE (for the new bytes) and SUREFREE_NOTRAP.
 *
 * NULL and errno as surefree_map(), and the old range is untouched; ENOMEM
 * also when SUREFREE_NOMOVE forbids the move.
 */
void *surefree_remap(void *addr, size_t old_len, size_t new_len,
		     unsigned flags);

/*
 * Make part of a map inaccessible (its contents are lost, its pages go back),
 * and accessible again (zeroed). No mapping is needed. 0, or -1 and errno:
 * ENOTSUP (kernel older than 6.13, option trap=off, or the memory is locked),
 * ENOMEM (no memory for page tables). surefree_unguard() fails only with
 * ENOTSUP.
 */
int surefree_guard(void *addr, size_t len);
int surefree_unguard(void *addr, size_t len);

/*
 * Stacks
 */

struct surefree_stack {
	void *addr;	  /* lowest usable byte */
	size_t len;	  /* usable bytes; the stack's top is addr + len */
	size_t guard_len; /* inaccessible bytes below addr; 0: no guard */
};

/*
 * A stack of len bytes (rounded up to pages) with a guard page below it, in
 * *out. Its contents are undefined. A stack released before is taken up again
 * without a system call where one of that length waits. Where there are no
 * guard markers the stack has none, guard_len says so, and the statistics
 * count it. 0, or -1 and errno as surefree_map().
 */
int surefree_stack_map(size_t len, struct surefree_stack *out);

/*
 * Release a stack. Its pages go back at once, unless the option "retain" keeps
 * them; its addresses may be kept.
 */
void surefree_stack_unmap(const struct surefree_stack *stack);

/*
 * Give back what lies deeper than sp, the stack pointer of a stack that is not
 * running: everything from stack->addr to the page that holds sp - 128.
 * Returns the bytes in that range. sp may be NULL for a stack not in use: all
 * of it.
 */
size_t surefree_stack_trim(const struct surefree_stack *stack, const void *sp);

/*
 * File views
 */

/*
 * Map len bytes of fd from off (a multiple of the page size), shared or
 * private as flags says (MAP_SHARED, MAP_SHARED_VALIDATE or MAP_PRIVATE, with
 * any of MAP_POPULATE, MAP_SYNC), with protection prot as for mmap(). A view
 * is a mapping by nature: it takes two, its own and the reserved page that
 * keeps it apart from everything else, so that releasing it never splits one.
 *
 * NULL and errno as mmap(), and ENOSPC when the process has fewer spare
 * mappings than the option "view_reserve" (default 64): refused here, where it
 * can be handled, and not when the limit is hit elsewhere. EINVAL also for a
 * file of a hugetlbfs.
 */
void *surefree_map_file(int fd, off_t off, size_t len, int prot, int flags);

/* Release a whole view, as it was mapped. Cannot fail. */
void surefree_unmap_file(void *addr, size_t len);

/*
 * Blocks
 *
 * The malloc family of the C library, under names of its own, for programs that
 * want it without replacing malloc. Semantics are the C library's: memory is
 * aligned to 16 bytes, or to align; failure is NULL and errno (ENOMEM; EINVAL
 * for an align that is no power of two); free leaves errno as found. A block
 * freed twice, or a pointer that is none, gives one line on stderr and abort().
 *
 * Blocks of more than 32 KiB are ranges of pages, and when freed go back at
 * once but for what the bound on retained memory allows (option "retain", 128M
 * where it is not set). Safe from any thread; not in a signal handler that
 * interrupted one of these functions. In a child of fork() all blocks are the
 * child's too.
 */
void *surefree_malloc(size_t size);
void *surefree_calloc(size_t nr, size_t size);
void *surefree_realloc(void *block, size_t size);
void *surefree_reallocarray(void *block, size_t nr, size_t size);
void *surefree_aligned_alloc(size_t align, size_t size);
void *surefree_memalign(size_t align, size_t size);
int surefree_posix_memalign(void **out, size_t align, size_t size);
void surefree_free(void *block);
void surefree_free_sized(void *block, size_t size);
void surefree_free_aligned_sized(void *block, size_t align, size_t size);

/* Bytes of a block that may be used: at least what was asked for. */
size_t surefree_malloc_usable_size(void *block);

/*
 * Look and adjust
 */

struct surefree_mappings {
	size_t size;	 /* set to sizeof(struct surefree_mappings) */
	size_t nr;	 /* mappings that the process has now */
	size_t limit;	 /* vm.max_map_count */
	size_t headroom; /* limit - nr, or 0 */
};

/*
 * Count the mappings of a process (0: this one). Takes time in proportion to
 * their number, some 0.2 us each. 0, or -1 and errno: ESRCH, EACCES or EPERM
 * (another user's process), EINVAL (out->size).
 */
int surefree_mappings(pid_t pid, struct surefree_mappings *out);

/* Why released memory does not trap. */
enum surefree_trap {
	SUREFREE_TRAP_ON = 0,
	SUREFREE_TRAP_OFF_OPTION = 1, /* option trap=off */
	SUREFREE_TRAP_OFF_KERNEL = 2, /* kernel older than 6.13 */
};

/* Blocks of one size. Never grows: an array's stride stays. */
struct surefree_class_stats {
	size_t block_len; /* bytes of a block */
	size_t nr_slabs;  /* of 64 KiB, cut into such blocks */
	size_t nr_used;	  /* blocks in use */
	size_t nr_free;	  /* blocks in these slabs that are not */
};

struct surefree_stats {
	size_t size; /* set to sizeof(struct surefree_stats) before the call */

	/* Now. */
	size_t reserved_len;  /* address space of all regions */
	size_t committed_len; /* of that, made readable and writable */
	size_t used_len;      /* in maps and stacks of the caller, and blocks */
	size_t retained_len;  /* released by the caller, kept for reuse */
	size_t metadata_len;  /* made readable and writable for bookkeeping */
	size_t view_len;      /* in file views */
	size_t page_table_len; /* page tables of the whole process */
	size_t nr_regions;
	size_t nr_mappings; /* taken by regions and file views; a forked child
			       that grows a region takes up to two more */
	size_t nr_views;
	size_t nr_stacks_kept; /* stacks waiting to be taken up again */

	/* Since the start. */
	uint64_t nr_maps;	     /* ranges handed out, stacks included */
	uint64_t nr_unmaps;	     /* releases by the caller */
	uint64_t released_len;	     /* given back to the kernel in place */
	uint64_t retained_peak_len;  /* highest retained_len */
	uint64_t nr_retained_reused; /* maps served from retained memory */
	uint64_t nr_stacks_reused;   /* stacks taken up without mapping */
	uint64_t nr_moved;	     /* remaps that had to move */

	/* Degradations: what had to be done without. */
	enum surefree_trap trap; /* whether released memory traps, or why not */
	uint64_t nr_traps_skipped;   /* releases without trap: memory locked, or
					no page table to hold the marker */
	uint64_t nr_guards_missing;  /* stacks without guard */
	uint64_t nr_huge_missing;    /* SUREFREE_HUGE served with small pages */
	uint64_t nr_locked_releases; /* releases of locked memory */
	uint64_t nr_regions_reduced; /* regions smaller than wanted */
	uint64_t nr_regions_refused; /* regions that could not be reserved */
	uint64_t nr_commits_refused; /* memory that could not be committed */
	uint64_t nr_views_refused;   /* file views refused for headroom */
	uint64_t nr_view_gaps;	     /* addresses lost to others by views */
	uint64_t nr_stuck;	     /* ranges the kernel would not take back */
	size_t stuck_len;	     /* bytes in them; never handed out again */

	/* Blocks, by surefree_malloc() or the drop-in. */
	size_t malloc_len;	  /* now in slabs and large blocks */
	uint64_t malloc_peak_len; /* highest malloc_len */
	size_t malloc_large_len; /* of malloc_len, blocks of more than 32 KiB */
	size_t nr_heaps;	 /* threads that have allocated */
	uint64_t nr_samples;	 /* taken for heap profiles */
	uint64_t nr_samples_lost; /* dropped, the table being full */
};

/*
 * Fill in *out as far as out->size reaches. 0, or -1 and EINVAL when
 * out->size is too small for its own first member.
 */
int surefree_stats(struct surefree_stats *out);

/*
 * Blocks by size, the smallest first: fills in at most nr elements, and returns
 * how many sizes there are (72 now). Takes time in proportion to the slabs in
 * use.
 */
size_t surefree_stats_classes(struct surefree_class_stats *out, size_t nr);

/*
 * Give back what is retained until at most keep_len bytes are, and with
 * keep_len 0 also kept stacks, page tables of free addresses (their traps go
 * too) and commit charge. Returns the bytes given back.
 */
size_t surefree_trim(size_t keep_len);

/*
 * Set an option by name; the environment variable SUREFREE_OPTIONS sets them
 * at start as "name=value,name=value". Sizes take K, M, G and T.
 *
 *	retain=SIZE        keep at most this much released memory (128M for
 *	                   blocks; maps are kept only where it is set, and
 *	                   never one of more than 4 MiB)
 *	trap=on|off        trap released memory, allow guards (on)
 *	region=SIZE        address space of the first region (1T); later ones
 *	                   are larger
 *	ahead=SIZE         keep this much committed ahead of need, and up to
 *	                   twice as much (64M)
 *	view_reserve=N     spare mappings below which a view is refused (64)
 *	stats=exit|off     a summary on stderr at exit (off)
 *	profile=FILE|off   sample a heap profile for pprof, and write it when
 *	                   it is switched off, set again, or at exit (off)
 *	sample=SIZE        bytes between samples, on average (512K)
 *	profile_signal=N   a signal that switches it on and off (0: none); by
 *	                   SUREFREE_OPTIONS only
 *
 * and of the drop-in, by SUREFREE_OPTIONS only:
 *
 *	mmap=on|off        serve mmap() and its family (on)
 *	threads=on|off     give threads their stacks (on)
 *
 * 0, or -1 and EINVAL, with a line on stderr that names the valid ones; with
 * "profile" also what writing the file fails with, and ENOMEM.
 */
int surefree_set(const char *option, const char *value);

#ifdef __cplusplus
}
#endif

#endif /* SUREFREE_H */
