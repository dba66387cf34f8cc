/* SPDX-License-Identifier: MIT */
/*
 * The mmap family, as the kernel's calls: any argument may be wrong, and the
 * answer is a result or -errno. What each does, and what a program can notice,
 * is written in docs/mmap-family.md.
 */
#ifndef SF_MMAP_MMAP_H
#define SF_MMAP_MMAP_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct sf_policy;

/* Set up at load, so that the first call finds a region. */
void sf_mmap_start(void);

/* An address, or -errno. */
long sf_mmap_map(uintptr_t addr, size_t len, int prot, int flags, int fd,
		 off_t off);
long sf_mmap_remap(uintptr_t addr, size_t old_len, size_t len, int flags,
		   uintptr_t to);
/* len: of the segment, or 0 if that can't be told. */
long sf_mmap_attach(int id, uintptr_t addr, size_t len, int flags);

/* 0 or -errno. */
int sf_mmap_unmap(uintptr_t addr, size_t len);
int sf_mmap_protect(uintptr_t addr, size_t len, int prot, int key);
int sf_mmap_advise(uintptr_t addr, size_t len, int advice);
int sf_mmap_bind(uintptr_t addr, size_t len, const struct sf_policy *policy);

/* Names of mappings: ours get none. name is the address of a string, or 0. */
int sf_mmap_name(uintptr_t addr, size_t len, uintptr_t name);

int sf_mmap_lock(uintptr_t addr, size_t len, unsigned flags);
int sf_mmap_unlock(uintptr_t addr, size_t len);
int sf_mmap_lock_all(int flags);
int sf_mmap_unlock_all(void);
int sf_mmap_detach(uintptr_t addr);
int sf_mmap_residency(uintptr_t addr, size_t len, unsigned char *vec);

/* -ENOMEM: a page of ours is not mapped as the program sees it. */
int sf_mmap_look(uintptr_t addr, size_t len);

#endif
