#!lua flags=no-writes
-- KEYS: a breaker
-- Answers {microseconds of this server's clock, the record or nothing} as in tell_breaker.lua.
local time = redis.call('TIME')
return {string.format('%.0f', time[1] * 1000000 + time[2]), redis.call('GET', KEYS[1])}
