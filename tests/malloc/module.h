/* SPDX-License-Identifier: MIT */
/* What the modules that modules.c loads have, by name. */
#ifndef MODULE_H
#define MODULE_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* malloc() and free(), or new and delete, as the module sees them. */
void *module_allocate(size_t len);
void module_free(void *p);

/* Write value to all of a large thread-local variable; returns the last one. */
int module_touch(int value);

/* dlopen() of a file that only the module's own paths lead to. */
void *module_load(const char *file);

/* Of the module in C++: whether operator new throws what can be caught. */
int module_throws(void);

/* Whether containers and thread_local objects work; any thread. */
int module_works(int number);

#ifdef __cplusplus
}
#endif

#endif
