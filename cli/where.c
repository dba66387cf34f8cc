// SPDX-License-Identifier: MIT
/*
 * Stacks of other processes, see where.h. The mappings with code are read when
 * an address is not in what was read before.
 */
#include "where.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "count_proc.h"
#include "mappings.h"
#include "remote.h"

#define HASH_START  0xcbf29ce484222325
#define STACK_WORDS 256 /* to search for return addresses */

struct sf_where_cache {
	struct sf_mappings all;
	struct sf_unwind *unwind; /* NULL: without libdw */
};

static const struct sf_vma *find(const struct sf_mappings *all, uint64_t ip)
{
	size_t low = 0;
	size_t high = all->nr;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (ip < all->vma[mid].start)
			high = mid;
		else if (ip >= all->vma[mid].end)
			low = mid + 1;
		else
			return &all->vma[mid];
	}
	return NULL;
}

static bool is_code(const struct sf_mappings *all, uint64_t ip)
{
	const struct sf_vma *vma = find(all, ip);

	return vma != NULL && (vma->prot & SF_EXEC) != 0;
}

void sf_where_forget(struct sf_where_cache **cache)
{
	if (*cache == NULL)
		return;
	sf_unwind_close((*cache)->unwind);
	sf_mappings_free(&(*cache)->all);
	free(*cache);
	*cache = NULL;
}

/* Read what there is of the process, unless ip is known. */
static void refresh(struct sf_where_cache **cache, pid_t pid, uint64_t ip)
{
	if (*cache != NULL && is_code(&(*cache)->all, ip))
		return;
	sf_where_forget(cache);
	*cache = calloc(1, sizeof(**cache));
	if (*cache == NULL)
		return;
	if (sf_mappings_read(&(*cache)->all, pid, false) != 0)
		(*cache)->all = (struct sf_mappings){ 0 };
	(*cache)->unwind = sf_unwind_open(pid, &(*cache)->all);
}

/* The instruction pointer, and words of the stack that point into code. */
static size_t search_stack(const struct sf_mappings *all, pid_t tid,
			   const struct sf_regs *regs, uint64_t *ip, size_t max)
{
	uint64_t sp = sf_regs_sp(regs) & ~(uint64_t)7;
	size_t nr = 0;

	ip[nr++] = sf_regs_ip(regs);
	for (size_t i = 0; i < STACK_WORDS && nr < max; i++, sp += 8) {
		uint64_t word;

		if (sf_remote_peek(tid, sp, &word, sizeof(word)) != 0)
			break;
		if (is_code(all, word))
			ip[nr++] = word;
	}
	return nr;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

/* "function+0x12 (file+0x1234)", as far as known. */
static void describe(const struct sf_where_cache *cache, uint64_t ip,
		     char text[SF_WHERE_LEN])
{
	const struct sf_vma *vma = find(&cache->all, ip);
	const char *file = vma != NULL && vma->name[0] != '\0' ?
				   base_name(vma->name) :
				   "?";
	uint64_t at = vma != NULL ? ip - vma->start + vma->offset : ip;
	uint64_t offset;
	const char *name = NULL;

	if (cache->unwind != NULL)
		name = sf_unwind_name(cache->unwind, ip, &offset);
	if (name != NULL)
		snprintf(text, SF_WHERE_LEN, "%.80s+0x%llx (%.40s)", name,
			 (unsigned long long)offset, file);
	else
		snprintf(text, SF_WHERE_LEN, "%.100s+0x%llx", file,
			 (unsigned long long)at);
}

/* Whose wrappers of system calls are not what one looks for. */
static bool is_libc(const struct sf_mappings *all, uint64_t ip)
{
	const struct sf_vma *vma = find(all, ip);
	const char *file = vma != NULL ? base_name(vma->name) : "";

	return strncmp(file, "libc.so", 7) == 0 ||
	       strncmp(file, "libc-", 5) == 0 || strncmp(file, "ld-", 3) == 0 ||
	       strncmp(file, "libpthread", 10) == 0;
}

/* FNV-1a, with the end of the text. */
static uint64_t mix(uint64_t hash, const char *text)
{
	do
		hash = (hash ^ (unsigned char)*text) * 0x100000001b3;
	while (*text++ != '\0');
	return hash;
}

void sf_where_describe(struct sf_where *where,
		       const struct sf_where_cache *cache, const uint64_t *ip,
		       size_t nr)
{
	where->nr = nr;
	where->caller = 0;
	where->hash = HASH_START;
	for (size_t i = 0; i < nr; i++) {
		describe(cache, ip[i], where->frame[i]);
		where->hash = mix(where->hash, where->frame[i]);
	}
	while (where->caller + 1 < nr &&
	       is_libc(&cache->all, ip[where->caller]))
		where->caller++;
}

char *sf_where_join(const struct sf_where *where, const char *between,
		    char buf[SF_WHERE_STACK_LEN])
{
	size_t len = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < where->nr && len < SF_WHERE_STACK_LEN; i++)
		len += (size_t)snprintf(buf + len, SF_WHERE_STACK_LEN - len,
					"%s%s", i > 0 ? between : "",
					where->frame[i]);
	return buf;
}

/*
 * Stopped threads
 */

void sf_where_look(struct sf_where *where, struct sf_where_cache **cache,
		   pid_t pid, pid_t tid)
{
	uint64_t ip[SF_WHERE_FRAMES] = { 0 };
	struct sf_regs regs;

	where->nr = 0;
	where->caller = 0;
	if (sf_remote_get_regs(tid, &regs) != 0)
		return;
	refresh(cache, pid, sf_regs_ip(&regs));
	if (*cache == NULL)
		return;
	if ((*cache)->unwind != NULL)
		where->nr = sf_unwind_stack((*cache)->unwind, tid, ip,
					    SF_WHERE_FRAMES);
	if (where->nr < 2)
		where->nr = search_stack(&(*cache)->all, tid, &regs, ip,
					 SF_WHERE_FRAMES);
	sf_where_describe(where, *cache, ip, where->nr);
}

/*
 * Copies
 */

/* The lines of maps that name a file, for libdw; NULL: no memory. */
static char *file_lines(const struct sf_mappings *all, size_t *len)
{
	char *text = NULL;
	FILE *f = open_memstream(&text, len);
	char prot[5];

	if (f == NULL)
		return NULL;
	for (size_t i = 0; i < all->nr; i++) {
		const struct sf_vma *vma = &all->vma[i];

		if (vma->name[0] != '/')
			continue;
		fprintf(f, "%llx-%llx %s %llx %x:%x %llu %s\n",
			(unsigned long long)vma->start,
			(unsigned long long)vma->end,
			sf_mappings_prot(vma, prot),
			(unsigned long long)vma->offset, vma->dev >> 20,
			vma->dev & 0xfffff, (unsigned long long)vma->inode,
			vma->name);
	}
	if (fclose(f) == 0)
		return text;
	free(text);
	return NULL;
}

/* Keep these mappings, which are the cache's from now on. 0 or -ENOMEM. */
static int keep(struct sf_where_cache **cache, pid_t pid,
		struct sf_mappings *all)
{
	struct sf_where_cache *fresh = calloc(1, sizeof(*fresh));
	size_t len = 0;
	char *lines;

	if (fresh == NULL) {
		sf_mappings_free(all);
		return -ENOMEM;
	}
	fresh->all = *all;
	lines = file_lines(&fresh->all, &len);
	if (lines != NULL && len > 0)
		fresh->unwind = sf_unwind_open_maps(pid, &fresh->all, lines,
						    len);
	free(lines);
	sf_where_forget(cache);
	*cache = fresh;
	return 0;
}

int sf_where_remember(struct sf_where_cache **cache, pid_t pid)
{
	struct sf_mappings all;
	int err = sf_mappings_read(&all, pid, false);
	pid_t tid = err == -ESRCH ? sf_process_other_thread(pid) : 0;

	/* The first thread may have ended before the others. */
	if (tid != 0)
		err = sf_mappings_read(&all, tid, false);
	return err == 0 ? keep(cache, pid, &all) : err;
}

int sf_where_recall(struct sf_where_cache **cache, pid_t pid, const char *maps)
{
	struct sf_mappings all;
	int err = sf_mappings_parse(&all, maps);

	return err == 0 ? keep(cache, pid, &all) : err;
}

bool sf_where_knows(const struct sf_where_cache *cache, uint64_t ip)
{
	return cache != NULL && is_code(&cache->all, ip);
}

size_t sf_where_walk(struct sf_where_cache *cache,
		     const struct sf_where_copy *copy, uint64_t *ip, size_t max)
{
	size_t nr = 0;

	if (cache->unwind != NULL)
		nr = sf_unwind_copy(cache->unwind, copy, ip, max);
	if (nr > 1)
		return nr;
	ip[0] = sf_regs_ip(&copy->regs);
	nr = 1;
	for (size_t at = 0; nr < max && at < STACK_WORDS * sizeof(*ip) &&
			    at + sizeof(*ip) <= copy->stack_len;
	     at += sizeof(*ip)) {
		memcpy(&ip[nr], copy->stack + at, sizeof(*ip));
		nr += is_code(&cache->all, ip[nr]);
	}
	return nr;
}
