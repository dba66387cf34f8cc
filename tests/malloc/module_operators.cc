// SPDX-License-Identifier: MIT
/*
 * A module with operators new and delete of its own, from a pool, to which it
 * is bound whatever its program has (-Bsymbolic-functions). Sized ones it
 * leaves to others: as the C++ library has them, they call the plain ones.
 */
#include "module.h"

#include <cstdint>
#include <cstdlib>
#include <new>

#define EXPORT __attribute__((visibility("default")))

namespace {

alignas(4096) char pool[1 << 20]; /* what is freed stays unused */
std::size_t used_len;
int nr_used;

bool is_of_pool(const void *p)
{
	auto addr = reinterpret_cast<uintptr_t>(p);

	return addr - reinterpret_cast<uintptr_t>(pool) < sizeof(pool);
}

void *take(std::size_t align, std::size_t len)
{
	std::size_t start = (used_len + align - 1) / align * align;

	if (len > sizeof(pool) || start > sizeof(pool) - len)
		throw std::bad_alloc();
	used_len = start + len;
	nr_used++;
	return pool + start;
}

void give(const void *p)
{
	if (!is_of_pool(p))
		std::abort();
	nr_used--;
}

template <typename T> T hide(T value)
{
	__asm__ volatile("" : "+r"(value));
	return value;
}

} // namespace

EXPORT void *operator new(std::size_t len)
{
	return take(16, len);
}

EXPORT void *operator new[](std::size_t len)
{
	return take(16, len);
}

EXPORT void *operator new(std::size_t len, std::align_val_t align)
{
	return take(static_cast<std::size_t>(align), len);
}

EXPORT void operator delete(void *p) noexcept
{
	give(p);
}

EXPORT void operator delete[](void *p) noexcept
{
	give(p);
}

EXPORT void operator delete(void *p, std::align_val_t) noexcept
{
	give(p);
}

EXPORT int module_works(int number)
{
	const std::align_val_t align{ 256 };
	const std::size_t len = static_cast<std::size_t>(number) + 1;
	void *one = hide(::operator new(hide(len)));
	void *array = hide(::operator new[](hide(len)));
	void *aligned = hide(::operator new(hide(len), align));

	if (!is_of_pool(one) || !is_of_pool(array) || !is_of_pool(aligned) ||
	    nr_used != 3)
		return 0;
	::operator delete(one, len);
	::operator delete[](array, len);
	::operator delete(aligned, len, align);
	return nr_used == 0;
}

EXPORT void *module_allocate(std::size_t len)
{
	return ::operator new(len);
}

/* A jump, as from destructors: it is called by the program. */
EXPORT void module_free(void *p)
{
	::operator delete(p, hide<std::size_t>(1));
}
