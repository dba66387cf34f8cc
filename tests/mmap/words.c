// SPDX-License-Identifier: MIT
/* Tables of words. The values are the kernel's, where libc may be older. */
#include "words.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static const struct word {
	const char *word;
	unsigned long value;
	enum words_kind kind;
} table[] = {
	{ "none", PROT_NONE, WORDS_PROT },
	{ "r", PROT_READ, WORDS_PROT },
	{ "w", PROT_WRITE, WORDS_PROT },
	{ "x", PROT_EXEC, WORDS_PROT },
	{ "rw", PROT_READ | PROT_WRITE, WORDS_PROT },
	{ "rx", PROT_READ | PROT_EXEC, WORDS_PROT },
	{ "rwx", PROT_READ | PROT_WRITE | PROT_EXEC, WORDS_PROT },
	{ "anon", MAP_PRIVATE | MAP_ANONYMOUS, WORDS_FLAGS },
	{ "shared", MAP_SHARED | MAP_ANONYMOUS, WORDS_FLAGS },
	{ "file", MAP_SHARED, WORDS_FLAGS },
	{ "copyfile", MAP_PRIVATE, WORDS_FLAGS },
	{ "private", MAP_PRIVATE, WORDS_FLAGS },
	{ "untyped", MAP_ANONYMOUS, WORDS_FLAGS },
	{ "fixed", MAP_FIXED, WORDS_FLAGS },
	{ "noreplace", 0x100000, WORDS_FLAGS },
	{ "noreserve", MAP_NORESERVE, WORDS_FLAGS },
	{ "stack", MAP_STACK, WORDS_FLAGS },
	{ "populate", MAP_POPULATE, WORDS_FLAGS },
	{ "nonblock", MAP_NONBLOCK, WORDS_FLAGS },
	{ "locked", MAP_LOCKED, WORDS_FLAGS },
	{ "maymove", MREMAP_MAYMOVE, WORDS_REMAP },
	{ "fixed", MREMAP_FIXED, WORDS_REMAP },
	{ "dontunmap", 4, WORDS_REMAP },
	{ "normal", 0, WORDS_ADVICE },
	{ "random", 1, WORDS_ADVICE },
	{ "sequential", 2, WORDS_ADVICE },
	{ "willneed", 3, WORDS_ADVICE },
	{ "dontneed", 4, WORDS_ADVICE },
	{ "free", 8, WORDS_ADVICE },
	{ "remove", 9, WORDS_ADVICE },
	{ "dontfork", 10, WORDS_ADVICE },
	{ "dofork", 11, WORDS_ADVICE },
	{ "mergeable", 12, WORDS_ADVICE },
	{ "unmergeable", 13, WORDS_ADVICE },
	{ "hugepage", 14, WORDS_ADVICE },
	{ "nohugepage", 15, WORDS_ADVICE },
	{ "dontdump", 16, WORDS_ADVICE },
	{ "dodump", 17, WORDS_ADVICE },
	{ "wipeonfork", 18, WORDS_ADVICE },
	{ "keeponfork", 19, WORDS_ADVICE },
	{ "cold", 20, WORDS_ADVICE },
	{ "pageout", 21, WORDS_ADVICE },
	{ "populate_read", 22, WORDS_ADVICE },
	{ "populate_write", 23, WORDS_ADVICE },
	{ "dontneed_locked", 24, WORDS_ADVICE },
	{ "collapse", 25, WORDS_ADVICE },
	{ "guard", 102, WORDS_ADVICE },
	{ "unguard", 103, WORDS_ADVICE },
	{ "current", MCL_CURRENT, WORDS_LOCKALL },
	{ "future", MCL_FUTURE, WORDS_LOCKALL },
	{ "onfault", MCL_ONFAULT, WORDS_LOCKALL },
};

static unsigned long value_of(enum words_kind kind, const char *word,
			      size_t len)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].kind == kind && strlen(table[i].word) == len &&
		    strncmp(table[i].word, word, len) == 0)
			return table[i].value;
	return strtoul(word, NULL, 0);
}

unsigned long words_value(enum words_kind kind, const char *words)
{
	unsigned long value = 0;

	while (*words != '\0') {
		size_t len = strcspn(words, ",");

		value |= value_of(kind, words, len);
		words += len + (words[len] == ',');
	}
	return value;
}

const char *words_errno(int err)
{
	switch (err) {
	case EPERM:
		return "EPERM";
	case EIO:
		return "EIO";
	case EBADF:
		return "EBADF";
	case EAGAIN:
		return "EAGAIN";
	case ENOMEM:
		return "ENOMEM";
	case EACCES:
		return "EACCES";
	case EFAULT:
		return "EFAULT";
	case EBUSY:
		return "EBUSY";
	case EEXIST:
		return "EEXIST";
	case ENODEV:
		return "ENODEV";
	case EINVAL:
		return "EINVAL";
	case ENOTSUP:
		return "ENOTSUP";
	case EOVERFLOW:
		return "EOVERFLOW";
	default:
		return "another error";
	}
}
