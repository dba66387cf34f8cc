/* SPDX-License-Identifier: MIT */
/*
 * What a program sees of single pages: whether they are mapped, what it may do
 * with them, what they hold. Asked of the kernel by calls that say EFAULT, so
 * no signal is raised, and nothing is allocated. Any thread may ask.
 */
#ifndef PAGES_H
#define PAGES_H

#include <stdbool.h>
#include <stddef.h>

enum pages_access {
	PAGES_NONE,
	PAGES_READ,
	PAGES_WRITE,
};

/* Whether the page at addr is mapped, as madvise() tells a program. */
bool pages_mapped(const char *addr);

/*
 * What may be done with the page at addr. A page that may be written becomes
 * resident; its contents stay.
 */
enum pages_access pages_access(char *addr);

/*
 * What fills the page at addr, which must be readable: its byte, or -1 when
 * not all bytes are the same.
 */
int pages_byte(const char *addr);

/* Write byte to nr pages. */
void pages_fill(char *addr, size_t nr, int byte);

/*
 * The flags of the mapping at addr that /proc/self/smaps shows in VmFlags, as
 * the words of it that are in wanted (" lo dc "), each followed by a space.
 */
void pages_flags(const char *addr, const char *wanted, char *text, size_t len);

#endif
