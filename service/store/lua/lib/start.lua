-- start: what every script begins with. Its only key is <ns>:counts: some servers refuse a script that names no key, and a
-- cluster finds the server by it. The time (ms) does not pass while a script runs.
local ns = KEYS[1]:match('^(.*):counts$')
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
