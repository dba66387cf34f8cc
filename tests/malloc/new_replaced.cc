// SPDX-License-Identifier: MIT
/*
 * A program may replace operator new and delete in their plain forms only: the
 * other forms (arrays, nothrow, sized) are then made of these. A malloc that
 * defined all of them would break such programs. Ours count, and put a header
 * before each block, so that a block which they do not get back, or get and did
 * not give, shows.
 */
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <string>

extern "C" {
#include "calls.h"
#include "test.h"
}

/* gcc would have us replace the sized form too. */
#pragma GCC diagnostic ignored "-Wsized-deallocation"

static const uint64_t magic = 0x5a5a1234c3c3abcd;
static long nr_blocks;
static long nr_aligned;
static bool refusing;

void *operator new(std::size_t len)
{
	void *p = refusing ? nullptr : std::malloc(len + 16);

	if (p == nullptr)
		throw std::bad_alloc();
	std::memcpy(p, &magic, sizeof(magic));
	nr_blocks++;
	return static_cast<char *>(p) + 16;
}

void operator delete(void *p) noexcept
{
	char *block = static_cast<char *>(p) - 16;

	if (p == nullptr)
		return;
	if (std::memcmp(block, &magic, sizeof(magic)) != 0)
		FAIL("%p is not from our operator new", p);
	std::memset(block, 0, 16);
	nr_blocks--;
	std::free(block);
}

/* Blocks of these are found by their address: the alignment is the caller's. */
void *operator new(std::size_t len, std::align_val_t align)
{
	std::size_t rounded = (len + 4096 + 4095) / 4096 * 4096;
	void *p = refusing ? nullptr : std::aligned_alloc(4096, rounded);

	if (static_cast<std::size_t>(align) > 2048)
		FAIL("aligned to %zu", static_cast<std::size_t>(align));
	if (p == nullptr)
		throw std::bad_alloc();
	nr_aligned++;
	return static_cast<char *>(p) + static_cast<std::size_t>(align);
}

void operator delete(void *p, std::align_val_t align) noexcept
{
	if (p == nullptr)
		return;
	CHECK_EQ(reinterpret_cast<uintptr_t>(p) % 4096,
		 static_cast<std::size_t>(align));
	nr_aligned--;
	std::free(static_cast<char *>(p) - static_cast<std::size_t>(align));
}

namespace
{

template <typename T> T hide(T value)
{
	__asm__ volatile("" : "+r"(value));
	return value;
}

void arrays_are_made_of_it()
{
	long before = nr_blocks;
	void *p = ::operator new[](hide<std::size_t>(100));

	CHECK_EQ(nr_blocks, before + 1);
	::operator delete[](p);
	CHECK_EQ(nr_blocks, before);
}

void nothrow_forms_are_made_of_it()
{
	long before = nr_blocks;
	void *p = ::operator new(hide<std::size_t>(100), std::nothrow);
	void *q = ::operator new[](hide<std::size_t>(100), std::nothrow);

	CHECK_EQ(nr_blocks, before + 2);
	::operator delete(p);
	::operator delete[](q);
	CHECK_EQ(nr_blocks, before);
	p = ::operator new(hide<std::size_t>(100));
	q = ::operator new[](hide<std::size_t>(100));
	::operator delete(p, std::nothrow);
	::operator delete[](q, std::nothrow);
	CHECK_EQ(nr_blocks, before);
}

void nothrow_forms_catch_what_it_throws()
{
	refusing = true;
	CHECK(::operator new(hide<std::size_t>(9), std::nothrow) == nullptr);
	CHECK(::operator new[](hide<std::size_t>(9), std::nothrow) == nullptr);
	refusing = false;
}

void sized_forms_are_made_of_it()
{
	long before = nr_blocks;
	void *p = ::operator new(hide<std::size_t>(100));
	void *q = ::operator new[](hide<std::size_t>(100));

	CHECK_EQ(nr_blocks, before + 2);
	::operator delete(p, hide<std::size_t>(100));
	::operator delete[](q, hide<std::size_t>(100));
	CHECK_EQ(nr_blocks, before);
}

const std::align_val_t align{ 64 };

void aligned_forms_are_made_of_the_aligned_one()
{
	const std::size_t len = 100;
	long before = nr_aligned;
	void *p[] = {
		::operator new(hide(len), align),
		::operator new[](hide(len), align),
		::operator new(hide(len), align, std::nothrow),
		::operator new[](hide(len), align, std::nothrow),
		::operator new(hide(len), align),
		::operator new[](hide(len), align),
	};

	CHECK_EQ(nr_aligned, before + 6);
	::operator delete(p[0], align);
	::operator delete[](p[1], align);
	::operator delete(p[2], align, std::nothrow);
	::operator delete[](p[3], align, std::nothrow);
	::operator delete(p[4], hide(len), align);
	::operator delete[](p[5], hide(len), align);
	CHECK_EQ(nr_aligned, before);
	refusing = true;
	CHECK(::operator new(hide(len), align, std::nothrow) == nullptr);
	CHECK(::operator new[](hide(len), align, std::nothrow) == nullptr);
	refusing = false;
	CHECK_EQ(nr_aligned, before);
}

struct counted {
	std::string text;
	int numbers[20];

	~counted()
	{
		numbers[0] = 0;
	}
};

void objects_come_from_it()
{
	long before = nr_blocks;

	for (int i = 0; i < 100; i++) {
		auto one = std::make_unique<counted>();
		auto many = std::make_unique<counted[]>(hide<size_t>(10));
		counted *quiet = new (std::nothrow) counted;

		one->text.assign(1000, 'x');
		many[9].text.assign(1000, 'y');
		CHECK_EQ(nr_blocks, before + 5);
		delete quiet;
	}
	CHECK_EQ(nr_blocks, before);
}

const test tests[] = {
	{ "arrays are made of it", arrays_are_made_of_it },
	{ "nothrow forms are made of it", nothrow_forms_are_made_of_it },
	{ "nothrow forms catch what it throws",
	  nothrow_forms_catch_what_it_throws },
	{ "sized forms are made of it", sized_forms_are_made_of_it },
	{ "aligned forms are made of the aligned one",
	  aligned_forms_are_made_of_the_aligned_one },
	{ "objects come from it", objects_come_from_it },
};

} // namespace

int main(int argc, char **argv)
{
	calls_surefree();
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
