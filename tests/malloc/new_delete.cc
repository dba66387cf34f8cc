// SPDX-License-Identifier: MIT
/*
 * operator new and delete in all their forms, what happens when there is no
 * memory, and containers on top of them. The C++ library makes all of it from
 * malloc(), aligned_alloc() and free(); another malloc beside the drop-in,
 * TEST_OTHER_MALLOC, has all of it, too, and must not be used.
 */
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include <dlfcn.h>
#include <malloc.h>
#include <sys/resource.h>

extern "C" {
#include "calls.h"
#include "test.h"
}

namespace
{

/* What the compiler must not know, or it leaves out the pair. */
template <typename T> T hide(T value)
{
	__asm__ volatile("" : "+r"(value));
	return value;
}

const std::size_t sizes[] = { 0,    1,	  8,	 16,	17,	100,
			      1000, 4096, 10000, 40000, 200000, 3000000 };
const std::size_t too_large[] = { SIZE_MAX, SIZE_MAX - 100, SIZE_MAX - 4095,
				  SIZE_MAX / 2 + 1,
				  static_cast<std::size_t>(PTRDIFF_MAX) };

bool usable(void *p, std::size_t len, std::size_t align)
{
	if (!CHECK(p != nullptr) || !CHECK_EQ((uintptr_t)p % align, 0) ||
	    !CHECK_GE(malloc_usable_size(p), len))
		return false;
	std::memset(p, 0x5a, len);
	return true;
}

void plain_forms()
{
	for (std::size_t len : sizes) {
		void *p = ::operator new(hide(len));
		void *q = ::operator new[](hide(len));

		CHECK(p != q);
		usable(p, len, 16);
		usable(q, len, 16);
		::operator delete(p);
		::operator delete[](q);
		p = ::operator new(hide(len), std::nothrow);
		q = ::operator new[](hide(len), std::nothrow);
		usable(p, len, 16);
		usable(q, len, 16);
		::operator delete(p, std::nothrow);
		::operator delete[](q, std::nothrow);
	}
	::operator delete(hide<void *>(nullptr));
	::operator delete[](hide<void *>(nullptr));
}

void sized_forms()
{
	for (std::size_t len : sizes) {
		void *p = ::operator new(hide(len));
		void *q = ::operator new[](hide(len));

		usable(p, len, 16);
		usable(q, len, 16);
		::operator delete(p, len);
		::operator delete[](q, len);
	}
	::operator delete(hide<void *>(nullptr), hide<std::size_t>(8));
}

void aligned_forms()
{
	for (std::size_t align = 1; align <= 1 << 21; align *= 2)
		for (std::size_t len : sizes) {
			std::align_val_t as{ align };
			void *p = ::operator new(hide(len), as);
			void *q = ::operator new[](hide(len), as);

			usable(p, len, align);
			usable(q, len, align);
			::operator delete(p, as);
			::operator delete[](q, as);
			p = ::operator new(hide(len), as, std::nothrow);
			q = ::operator new[](hide(len), as, std::nothrow);
			usable(p, len, align);
			usable(q, len, align);
			::operator delete(p, as, std::nothrow);
			::operator delete[](q, as, std::nothrow);
			p = ::operator new(hide(len), as);
			q = ::operator new[](hide(len), as);
			usable(p, len, align);
			usable(q, len, align);
			::operator delete(p, len, as);
			::operator delete[](q, len, as);
		}
}

/* Whether it throws std::bad_alloc and nothing else. */
bool throws_bad_alloc(const std::function<void *()> &allocate)
{
	try {
		void *p = hide(allocate());

		FAIL("%p, and nothing was thrown", p);
	} catch (const std::bad_alloc &error) {
		return CHECK(error.what() != nullptr);
	}
	return false;
}

/* libstdc++ 12 adds to such a size without a look, and allocates nothing. */
bool overflows_unseen(std::size_t len)
{
	return !calls_surefree() && len > SIZE_MAX - 4096;
}

void too_large_throws()
{
	for (std::size_t len : too_large) {
		std::align_val_t as{ 64 };
		std::align_val_t page{ 4096 };

		throws_bad_alloc([=] { return ::operator new(hide(len)); });
		throws_bad_alloc([=] { return ::operator new[](hide(len)); });
		if (overflows_unseen(len))
			continue;
		throws_bad_alloc([=] { return ::operator new(hide(len), as); });
		throws_bad_alloc(
			[=] { return ::operator new[](hide(len), page); });
	}
}

void too_large_is_null_with_nothrow()
{
	for (std::size_t len : too_large) {
		std::align_val_t as{ 64 };

		CHECK(::operator new(hide(len), std::nothrow) == nullptr);
		CHECK(::operator new[](hide(len), std::nothrow) == nullptr);
		if (overflows_unseen(len))
			continue;
		CHECK(::operator new(hide(len), as, std::nothrow) == nullptr);
		CHECK(::operator new[](hide(len), as, std::nothrow) == nullptr);
	}
}

int nr_handled;

void give_up_after_three()
{
	if (++nr_handled % 3 == 0)
		std::set_new_handler(nullptr);
}

void the_handler_is_asked()
{
	const std::size_t len = SIZE_MAX / 2 + 1;
	std::align_val_t as{ 64 };

	for (int i = 0; i < 3; i++) {
		nr_handled = 0;
		std::set_new_handler(give_up_after_three);
		throws_bad_alloc([=] { return ::operator new(hide(len)); });
		CHECK_EQ(nr_handled, 3);
		std::set_new_handler(give_up_after_three);
		throws_bad_alloc([=] { return ::operator new[](hide(len)); });
		CHECK_EQ(nr_handled, 6);
		std::set_new_handler(give_up_after_three);
		throws_bad_alloc([=] { return ::operator new(hide(len), as); });
		CHECK_EQ(nr_handled, 9);
		std::set_new_handler(give_up_after_three);
		CHECK(::operator new(hide(len), std::nothrow) == nullptr);
		CHECK_EQ(nr_handled, 12);
		std::set_new_handler(give_up_after_three);
		CHECK(::operator new(hide(len), as, std::nothrow) == nullptr);
		CHECK_EQ(nr_handled, 15);
		std::set_new_handler(give_up_after_three);
		throws_bad_alloc(
			[=] { return ::operator new[](hide(len), as); });
		CHECK_EQ(nr_handled, 18);
		std::set_new_handler(give_up_after_three);
		CHECK(::operator new[](hide(len), std::nothrow) == nullptr);
		CHECK_EQ(nr_handled, 21);
		std::set_new_handler(give_up_after_three);
		CHECK(::operator new[](hide(len), as, std::nothrow) == nullptr);
		CHECK_EQ(nr_handled, 24);
	}
}

struct given_up : std::bad_alloc {
};

void throw_own()
{
	throw given_up();
}

void what_the_handler_throws_arrives()
{
	const std::size_t len = SIZE_MAX / 2 + 1;
	int nr_caught = 0;

	std::set_new_handler(throw_own);
	try {
		hide(::operator new(hide(len)));
	} catch (const given_up &) {
		nr_caught++;
	}
	try {
		hide(::operator new[](hide(len)));
	} catch (const given_up &) {
		nr_caught++;
	}
	CHECK_EQ(nr_caught, 2);
	/* Caught inside: nothrow forms return NULL. */
	CHECK(::operator new(hide(len), std::nothrow) == nullptr);
	CHECK(::operator new[](hide(len), std::nothrow) == nullptr);
	std::set_new_handler(nullptr);
}

std::vector<void *> *hoard;

void free_the_hoard()
{
	if (hoard->empty())
		throw std::bad_alloc();
	for (void *p : *hoard)
		std::free(p);
	hoard->clear();
}

/* The handler makes room, and the allocation goes on. */
void a_handler_that_makes_room_helps()
{
	rlimit limit = { 256 << 20, 256 << 20 };
	const std::size_t len = 4 << 20;
	std::vector<void *> kept;

	hoard = &kept;
	kept.reserve(1000);
	CHECK_OK(setrlimit(RLIMIT_DATA, &limit));
	for (;;) {
		void *p = std::malloc(len);

		if (p == nullptr)
			break;
		kept.push_back(p);
		if (kept.size() == 1000) {
			free_the_hoard();
			SKIP("RLIMIT_DATA is not heeded here");
		}
	}
	std::set_new_handler(free_the_hoard);
	try {
		void *p = ::operator new(hide(len));

		CHECK(kept.empty());
		usable(p, len, 16);
		::operator delete(p);
	} catch (const std::bad_alloc &) {
		FAIL("still no memory");
	}
	std::set_new_handler(nullptr);
}

struct alignas(256) wide {
	char bytes[300];
	int number = 42;
};

struct counted {
	static int nr;
	char text[40];

	counted()
	{
		nr++;
	}
	~counted()
	{
		nr--;
	}
};

int counted::nr;

void objects_and_arrays()
{
	for (int i = 0; i < 1000; i++) {
		auto one = std::make_unique<counted>();
		auto many = std::make_unique<counted[]>(hide<size_t>(100));
		auto aligned = std::make_unique<wide>();
		auto array = std::make_unique<wide[]>(hide<size_t>(7));

		CHECK_EQ(counted::nr, 101);
		CHECK_EQ((uintptr_t)aligned.get() % 256, 0);
		CHECK_EQ((uintptr_t)array.get() % 256, 0);
		CHECK_EQ(array[6].number, 42);
	}
	CHECK_EQ(counted::nr, 0);
}

/* The length of an array that overflows is an error of its own. */
void too_long_an_array_throws()
{
	bool thrown = false;

	try {
		counted *array = hide(new counted[hide(SIZE_MAX / 20)]);

		delete[] array;
	} catch (const std::bad_alloc &) {
		thrown = true;
	}
	CHECK(thrown);
}

/* A constructor that throws: what was allocated is freed. */
struct thrower {
	char text[100000];

	thrower()
	{
		throw 7;
	}
};

void a_throwing_constructor_leaks_nothing()
{
	std::size_t before = 0;

	for (int i = 0; i < 5000; i++) {
		try {
			hide(new thrower);
		} catch (int) {
		}
		if (i == 500)
			before = mallinfo2().uordblks + mallinfo2().hblkhd;
	}
	CHECK_LE(mallinfo2().uordblks + mallinfo2().hblkhd, before + (1 << 20));
}

void fill_containers()
{
	std::map<std::string, std::vector<int>> map;
	std::vector<std::string> strings;

	for (int i = 0; i < 20000; i++) {
		std::string name = "name " + std::to_string(i * 7919 % 10007);

		map[name].push_back(i);
		strings.push_back(name + name);
		if (i % 3 == 0)
			map.erase("name " + std::to_string(i % 1000));
	}
	for (const auto &string : strings)
		CHECK_EQ(string.size() % 2, 0);
	for (const auto &[name, numbers] : map)
		for (int number : numbers)
			CHECK_EQ(number * 7919 % 10007,
				 std::stoi(name.substr(5)));
}

void containers_work_in_threads()
{
	std::vector<std::thread> threads;

	for (int i = 0; i < 4; i++)
		threads.emplace_back(fill_containers);
	for (std::thread &thread : threads)
		thread.join();
}

/* What one thread makes, and its exit, another one deletes. */
void deletes_in_other_threads_work()
{
	std::vector<std::unique_ptr<std::string>> made;

	for (int round = 0; round < 20; round++) {
		std::thread maker([&] {
			for (int i = 0; i < 3000; i++)
				made.push_back(std::make_unique<std::string>(
					static_cast<std::size_t>(i), 'x'));
		});
		maker.join();
		std::thread([&] {
			for (std::size_t i = 0; i < made.size(); i++)
				CHECK_EQ(made[i]->size(), i % 3000);
			made.clear();
		}).join();
	}
}

void what_is_deleted_goes_back()
{
	const std::size_t len = 128 << 10;
	const std::size_t nr = 1000;
	std::vector<char *> made;
	std::size_t before;

	if (!calls_surefree())
		SKIP("the C library may keep it");
	made.reserve(nr);
	before = test_rss_anon();
	for (std::size_t i = 0; i < nr; i++) {
		made.push_back(new char[len]);
		std::memset(made.back(), 1, len);
	}
	CHECK_GE(test_rss_anon(), before + nr * len);
	for (std::size_t i = 0; i < nr; i += 2)
		delete[] made[i];
	CHECK_LE(test_rss_anon(), before + nr * len * 6 / 10);
	for (std::size_t i = 1; i < nr; i += 2)
		delete[] made[i];
	CHECK_LE(test_rss_anon(), before + nr * len / 10);
}

const test tests[] = {
	{ "plain forms", plain_forms },
	{ "sized forms", sized_forms },
	{ "aligned forms", aligned_forms },
	{ "too large throws", too_large_throws },
	{ "too large is NULL with nothrow", too_large_is_null_with_nothrow },
	{ "the handler is asked", the_handler_is_asked },
	{ "what the handler throws arrives", what_the_handler_throws_arrives },
	{ "a handler that makes room helps", a_handler_that_makes_room_helps },
	{ "objects and arrays", objects_and_arrays },
	{ "too long an array throws", too_long_an_array_throws },
	{ "a throwing constructor leaks nothing",
	  a_throwing_constructor_leaks_nothing },
	{ "containers work in threads", containers_work_in_threads },
	{ "deletes in other threads work", deletes_in_other_threads_work },
	{ "what is deleted goes back", what_is_deleted_goes_back },
};

/* The dynamic linker leaves out what it does not find. */
bool has_other_malloc()
{
	const char *other = std::getenv("TEST_OTHER_MALLOC");

	if (other == nullptr ||
	    dlopen(other, RTLD_LAZY | RTLD_NOLOAD) != nullptr)
		return true;
	std::fprintf(stderr, "skipped: no %s\n", other);
	return false;
}

} // namespace

int main(int argc, char **argv)
{
	calls_surefree();
	if (!has_other_malloc())
		return 77;
	return test_main(argc, argv, tests, TEST_COUNT(tests));
}
