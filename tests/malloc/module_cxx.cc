// SPDX-License-Identifier: MIT
/*
 * A module in C++, loaded by a program in C that knows nothing of it, into a
 * scope of its own, as interpreters load extensions.
 */
#include "module.h"

#include <cstdint>
#include <map>
#include <new>
#include <string>
#include <vector>

#define EXPORT __attribute__((visibility("default")))

namespace {

std::map<int, std::string> at_load{ { 1, std::string(100, 'x') },
				    { 2, "two" } };
thread_local std::vector<std::string> of_thread;

template <typename T> T hide(T value)
{
	__asm__ volatile("" : "+r"(value));
	return value;
}

} // namespace

EXPORT int module_throws(void)
{
	int nr_caught = 0;

	try {
		hide(::operator new(hide<std::size_t>(SIZE_MAX / 2 + 1)));
	} catch (const std::bad_alloc &) {
		nr_caught++;
	}
	try {
		hide(::operator new[](hide<std::size_t>(SIZE_MAX / 2 + 1)));
	} catch (const std::bad_alloc &) {
		nr_caught++;
	}
	return nr_caught == 2 &&
	       ::operator new(hide<std::size_t>(SIZE_MAX / 2 + 1),
			      std::nothrow) == nullptr;
}

EXPORT int module_works(int number)
{
	std::map<int, std::vector<int>> map;

	for (int i = 0; i < 500; i++) {
		map[i % 37].push_back(i);
		of_thread.push_back(std::to_string(number + i));
	}
	return at_load.at(1).size() == 100 && map.at(5).at(1) == 42 &&
	       of_thread.back() == std::to_string(number + 499);
}
