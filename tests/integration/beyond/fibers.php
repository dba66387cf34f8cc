<?php
// SPDX-License-Identifier: MIT
//
// Fibers that are all alive at once, each suspended in the middle of a call.
// Prints how many there were and how many mappings, then ends each of them.
// usage: fibers.php FIBERS

function wait_for(int $number): int
{
	$more = Fiber::suspend($number);
	return $number + $more;
}

$nr = (int)$argv[1];
$fibers = [];
try {
	for ($i = 0; $i < $nr; $i++) {
		$fiber = new Fiber('wait_for');
		if ($fiber->start($i) !== $i)
			exit(1);
		$fibers[] = $fiber;
	}
} catch (Throwable $error) {
	fwrite(STDERR, $error->getMessage() . "\n");
}
echo count($fibers), ' ', count(file('/proc/self/maps')), "\n";
foreach ($fibers as $i => $fiber) {
	$fiber->resume(7);
	if (!$fiber->isTerminated() || $fiber->getReturn() !== $i + 7)
		exit(1);
}
