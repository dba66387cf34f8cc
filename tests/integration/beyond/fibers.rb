# SPDX-License-Identifier: MIT
#
# Fibers that are all alive at once, each suspended in the middle of a call.
# Prints how many there were and how many mappings, then ends each of them.
# usage: fibers.rb FIBERS

def wait_for(number)
  number + Fiber.yield(number)
end

fibers = []
begin
  Integer(ARGV[0]).times do |i|
    fiber = Fiber.new { |number| wait_for(number) }
    exit 1 if fiber.resume(i) != i
    fibers << fiber
  end
rescue FiberError => error
  warn error.message
end
puts "#{fibers.size} #{File.foreach('/proc/self/maps').count}"
fibers.each_with_index do |fiber, i|
  exit 1 if fiber.resume(7) != i + 7
end
