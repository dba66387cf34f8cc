// SPDX-License-Identifier: MIT
/*
 * A program with a malloc() of its own: operator new and delete are made of it,
 * as the C++ library makes them.
 */
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>

extern "C" {
#include "calls.h"
#include "test.h"
}

namespace
{

const std::size_t room_len = 64 << 20;
alignas(4096) char room[room_len]; /* what is freed stays unused */
std::size_t used_len;
long nr_taken;
long nr_freed;

void *take(std::size_t align, std::size_t len)
{
	std::size_t start = (used_len + 16 + align - 1) / align * align;

	if (len > room_len || start > room_len - len) {
		errno = ENOMEM;
		return nullptr;
	}
	std::memcpy(room + start - 8, &len, sizeof(len));
	used_len = start + len;
	nr_taken++;
	return room + start;
}

bool is_of_room(const void *p)
{
	auto addr = reinterpret_cast<uintptr_t>(p);

	return addr - reinterpret_cast<uintptr_t>(room) < room_len;
}

template <typename T> T hide(T value)
{
	__asm__ volatile("" : "+r"(value));
	return value;
}

} // namespace

#define EXPORT extern "C" __attribute__((visibility("default")))

EXPORT void *malloc(std::size_t len) noexcept
{
	return take(16, len);
}

EXPORT void *calloc(std::size_t nr, std::size_t len) noexcept
{
	return take(16, nr * len); /* of zeros, since nothing is used twice */
}

EXPORT void *realloc(void *p, std::size_t len) noexcept
{
	void *moved = take(16, len);
	std::size_t old_len;

	if (p != nullptr && moved != nullptr) {
		std::memcpy(&old_len, static_cast<char *>(p) - 8,
			    sizeof(old_len));
		std::memcpy(moved, p, old_len < len ? old_len : len);
	}
	return moved;
}

EXPORT void *aligned_alloc(std::size_t align, std::size_t len) noexcept
{
	return take(align, len);
}

EXPORT void free(void *p) noexcept
{
	if (p == nullptr)
		return;
	if (!is_of_room(p))
		FAIL("%p is not of our malloc()", p);
	nr_freed++;
}

namespace
{

void one(void *p)
{
	CHECK(is_of_room(p));
}

void all_forms_are_made_of_it()
{
	const std::size_t len = 100;
	const std::align_val_t align{ 64 };
	long taken = nr_taken;
	long freed = nr_freed;
	void *p[] = {
		::operator new(hide(len)),
		::operator new[](hide(len)),
		::operator new(hide(len), std::nothrow),
		::operator new[](hide(len), std::nothrow),
		::operator new(hide(len), align),
		::operator new[](hide(len), align),
		::operator new(hide(len), align, std::nothrow),
		::operator new[](hide(len), align, std::nothrow),
	};

	for (void *block : p)
		one(block);
	CHECK_EQ(nr_taken, taken + 8);
	::operator delete(p[0]);
	::operator delete[](p[1]);
	::operator delete(p[2], hide(len));
	::operator delete[](p[3], hide(len));
	::operator delete(p[4], align);
	::operator delete[](p[5], align);
	::operator delete(p[6], hide(len), align);
	::operator delete[](p[7], hide(len), align);
	CHECK_EQ(nr_freed, freed + 8);
}

void what_it_has_not_is_thrown()
{
	bool thrown = false;

	try {
		::operator delete(::operator new(hide(room_len)));
	} catch (const std::bad_alloc &) {
		thrown = true;
	}
	CHECK(thrown);
	CHECK(::operator new(hide(room_len), std::nothrow) == nullptr);
}

void the_library_uses_it()
{
	std::string text(hide<std::size_t>(1000), 'x');

	one(text.data());
	text.append(hide<std::size_t>(5000), 'y');
	one(text.data());
}

const test tests[] = {
	{ "all forms are made of it", all_forms_are_made_of_it },
	{ "what it has not is thrown", what_it_has_not_is_thrown },
	{ "the C++ library uses it", the_library_uses_it },
};

} // namespace

int main(int argc, char **argv)
{
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
