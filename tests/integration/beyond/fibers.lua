-- SPDX-License-Identifier: MIT
--
-- For tarantool: fibers that are all alive at once, each waiting for a message.
-- At the limit the interpreter gets no memory to say so, and the number so far
-- is told on the way; at the end, how many there were and how many mappings.
-- usage: tarantool fibers.lua FIBERS
local fiber = require('fiber')

io.stdout:setvbuf('line')
local channel = fiber.channel()
local nr, sum = 0, 0

local function wait_for(number)
    local more = channel:get()
    sum = sum + number + more
end

for i = 1, tonumber(arg[1]) do
    fiber.create(wait_for, i)
    nr = i
    if i % 500 == 0 then
        print(i)
    end
end

local nr_mappings = 0
for _ in io.lines('/proc/self/maps') do
    nr_mappings = nr_mappings + 1
end
print(nr .. ' ' .. nr_mappings)

for _ = 1, nr do
    channel:put(7)
end
while sum < nr * (nr + 1) / 2 + 7 * nr do
    fiber.yield()
end
os.exit(sum == nr * (nr + 1) / 2 + 7 * nr and 0 or 1)
