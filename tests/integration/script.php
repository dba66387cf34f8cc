<?php
// SPDX-License-Identifier: MIT
//
// Arrays, strings and objects; prints a digest of each.
// usage: script.php TIMES WORDS

class Node
{
	public $next = null;
	public $other = null;
	public $text;

	public function __construct(string $text)
	{
		$this->text = $text;
	}
}

// Words of very different length, always the same.
function words(int $nr): array
{
	$words = [];
	for ($i = 0; $i < $nr; $i++)
		$words[] = substr(str_repeat(md5((string)$i), 1 + $i % 50), $i % 30);
	return $words;
}

function arrays(int $nr): array
{
	$found = [];
	foreach (words($nr) as $i => $word)
		$found[substr($word, 0, 2)][] = [$i, $word];
	ksort($found);
	array_walk($found, function (&$list) {
		usort($list, fn($a, $b) => strcmp($a[1], $b[1]));
	});
	return array_map('count', $found);
}

function strings(int $nr): string
{
	$text = '';
	foreach (words($nr) as $word)
		$text .= $word . "\n";
	$text = preg_replace_callback('/[a-f]{2,}/',
		fn($match) => strtoupper(strrev($match[0])), $text);
	return str_replace(['1', '2'], ['one', ''], $text);
}

// Rings, which only the collector can free.
function objects(int $nr): int
{
	$sum = 0;
	foreach (words($nr) as $word) {
		$a = new Node($word);
		$a->next = new Node(strrev($word));
		$a->next->other = $a;
		$sum += strlen($a->text);
	}
	return $sum + (gc_collect_cycles() >= 0);
}

function documents(int $nr): array
{
	$text = json_encode(array_map(fn($w) => ['word' => $w, 'list' => [1, $w]],
		words($nr)));
	return unserialize(serialize(json_decode($text, true)));
}

function numbers(int $nr): Generator
{
	$list = new SplFixedArray($nr);
	$heap = new SplMinHeap();
	for ($i = 0; $i < $nr; $i++) {
		$list[$i] = $i * 7919 % $nr;
		$heap->insert([$list[$i], $i]);
	}
	while (!$heap->isEmpty())
		yield $heap->extract();
}

for ($time = 0; $time < (int)$argv[1]; $time++) {
	$nr = (int)$argv[2] + 50 * $time;
	echo md5(serialize(arrays($nr))), ' ', md5(strings($nr)), ' ', objects($nr),
		' ', md5(serialize(documents($nr))), ' ',
		md5(serialize(iterator_to_array(numbers($nr)))), "\n";
}
