// SPDX-License-Identifier: MIT
/* C++'s threads: exceptions, thread_local objects, futures, detaching. */
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#define EXPECT(what)                                                    \
	((what) ? (void)0 :                                             \
		  (std::fprintf(stderr, "%d: %s\n", __LINE__, #what), \
		   std::exit(1)))

namespace {

std::atomic<int> destroyed;

struct noted {
	std::string text = "a string that needs memory of its own";
	~noted()
	{
		destroyed++;
	}
};

thread_local noted local;

std::string throw_deep(int depth)
{
	std::string here(100, 'x');

	if (depth == 0)
		throw std::runtime_error(here);
	return throw_deep(depth - 1) + here;
}

void catch_deep()
{
	local.text += "!";
	try {
		throw_deep(100);
		EXPECT(false);
	} catch (const std::runtime_error &error) {
		EXPECT(error.what()[0] == 'x');
	}
}

void many_threads()
{
	for (int round = 0; round < 50; round++) {
		std::vector<std::thread> threads;

		for (int i = 0; i < 20; i++)
			threads.emplace_back(catch_deep);
		for (auto &thread : threads)
			thread.join();
	}
	EXPECT(destroyed == 1000);
}

void futures()
{
	for (int i = 0; i < 200; i++) {
		auto good = std::async(std::launch::async, [i] { return i; });
		auto bad = std::async(std::launch::async, throw_deep, 5);

		EXPECT(good.get() == i);
		try {
			bad.get();
			EXPECT(false);
		} catch (const std::runtime_error &) {
		}
	}
}

void detached()
{
	for (int i = 0; i < 200; i++) {
		std::promise<int> promise;
		auto future = promise.get_future();

		std::thread([](std::promise<int> p) { p.set_value(1); },
			    std::move(promise))
			.detach();
		EXPECT(future.get() == 1);
	}
}

} // namespace

int main()
{
	many_threads();
	futures();
	detached();
	return 0;
}
