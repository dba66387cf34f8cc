/* SPDX-License-Identifier: MIT */
/*
 * C++'s operators new and delete that are not the drop-in's, found when they
 * are needed: those of the C++ library, which can throw, and those of an object
 * that was loaded later and has its own.
 *
 * caller is the return address of the drop-in's operator: where it would have
 * led without the drop-in is looked at first.
 */
#ifndef SF_PRELOAD_OPERATORS_H
#define SF_PRELOAD_OPERATORS_H

enum sf_operator {
	SF_NEW,
	SF_NEW_ALIGNED,
	SF_NEW_NOTHROW,
	SF_NEW_ARRAY_NOTHROW,
	SF_NEW_ALIGNED_NOTHROW,
	SF_NEW_ARRAY_ALIGNED_NOTHROW,
	SF_DELETE,
	SF_DELETE_ARRAY,
	SF_DELETE_ALIGNED,
	SF_DELETE_ARRAY_ALIGNED,
	SF_NR_OPERATORS,
};

/* A new that can ask the handler and throw, or NULL. */
void *sf_operators_new(enum sf_operator form, const void *caller);

/*
 * A delete that the caller's object has, or one that it needs, but the C++
 * library's; or NULL. For arrays it may be the one for one object.
 */
void *sf_operators_delete(enum sf_operator form, const void *caller);

#endif
