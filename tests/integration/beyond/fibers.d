// SPDX-License-Identifier: MIT
//
// Fibers of D's library that are all alive at once. The library ends the
// process when there is no guard page to be had, so the number so far is told
// on the way; at the end, how many there were and how many mappings.
// usage: fibers FIBERS
import core.thread;
import std.algorithm;
import std.conv;
import std.stdio;

size_t sum;

Fiber make(size_t number)
{
	return new Fiber({
		Fiber.yield();
		sum += number;
	});
}

void main(string[] args)
{
	const nr = args[1].to!size_t;
	Fiber[] fibers;

	foreach (i; 0 .. nr) {
		fibers ~= make(i);
		fibers[i].call();
		if (i % 500 == 0) {
			writeln(i);
			stdout.flush();
		}
	}
	writeln(nr, " ", File("/proc/self/maps").byLine.count);
	foreach (fiber; fibers)
		fiber.call();
	if (sum != nr * (nr - 1) / 2)
		throw new Exception("not all have ended");
}
