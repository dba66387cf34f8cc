// SPDX-License-Identifier: MIT
//
// Fibers of boost.context on stacks with a guard page that are all alive at
// once. An assertion of boost ends the process when there is no guard page to
// be had, so the number so far is told on the way; at the end, how many there
// were and how many mappings.
// usage: fibers FIBERS
#include <boost/context/fiber.hpp>
#include <boost/context/protected_fixedsize_stack.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <vector>

namespace context = boost::context;

static unsigned long sum;

static context::fiber make(unsigned long number)
{
	return context::fiber(std::allocator_arg,
			      context::protected_fixedsize_stack(),
			      [number](context::fiber &&caller) {
				      caller = std::move(caller).resume();
				      sum += number;
				      return std::move(caller);
			      });
}

int main(int, char **argv)
{
	unsigned long nr = std::strtoul(argv[1], nullptr, 10);
	std::vector<context::fiber> fibers;

	for (unsigned long i = 0; i < nr; i++) {
		fibers.push_back(make(i).resume());
		if (i % 500 == 0) {
			std::printf("%lu\n", i);
			std::fflush(stdout);
		}
	}
	std::ifstream maps("/proc/self/maps");
	std::printf("%lu %ld\n", nr,
		    std::count(std::istreambuf_iterator<char>(maps), {}, '\n'));
	for (auto &fiber : fibers)
		fiber = std::move(fiber).resume();
	return sum != nr * (nr - 1) / 2;
}
