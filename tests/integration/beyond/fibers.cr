# SPDX-License-Identifier: MIT
#
# Fibers of crystal that are all alive at once, each waiting for a message. What
# is raised at the limit finds no memory to be told, so the number so far is
# told on the way; at the end, how many there were and how many mappings.
# usage: fibers FIBERS

nr = ARGV[0].to_i
channel = Channel(Int32).new
sum = 0_i64

nr.times do |i|
  spawn do
    more = channel.receive
    sum += i + more
  end
  if i % 500 == 0
    Fiber.yield
    puts i
    STDOUT.flush
  end
end
Fiber.yield
puts "#{nr} #{File.read_lines("/proc/self/maps").size}"

nr.times { channel.send 7 }
Fiber.yield
exit sum == nr.to_i64 * (nr - 1) // 2 + 7_i64 * nr ? 0 : 1
