#!lua flags=allow-oom
-- A process asks for leave to probe, or to go on probing. Only one has it at a time, and only who knows how the breaker
-- stands.
--
-- KEYS: the breaker, the lease of its probe
-- ARGV: who asks; the version he stands by; milliseconds for which he wants it, 0 to give it back
-- Answers {'granted'}, {'taken', milliseconds until that lease ends}, or {'told', microseconds of this server's clock,
-- the record} as in tell_breaker.lua.
local breaker, lease = unpack(KEYS)
local who, seen, milliseconds = unpack(ARGV)
local holder = redis.call('GET', lease)
if tonumber(milliseconds) == 0 then
    if holder == who then redis.call('DEL', lease) end
    return {'granted'}
end
local held = redis.call('GET', breaker) or ''
local version = string.match(held, '^(%d+) %S+ %a+ %d+ %d+ %d+ %d+$')
if tonumber(version or 0) > tonumber(seen) then
    local time = redis.call('TIME')
    return {'told', string.format('%.0f', time[1] * 1000000 + time[2]), held}
end
if holder and holder ~= who then return {'taken', redis.call('PTTL', lease)} end
redis.call('SET', lease, who, 'PX', milliseconds)
return {'granted'}
