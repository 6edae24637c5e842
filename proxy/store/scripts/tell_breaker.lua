#!lua flags=allow-oom
-- A process tells how a breaker stands. Who tells of a transition that another one came before is told of that instead,
-- and nothing changes. A pause is the longer of what was known and what is told.
--
-- KEYS: the breaker, the lease of its probe
-- ARGV: who tells; what: 'moved', 'forced', 'reset' or 'paused'; the version he stands by; 'open' or 'closed'; then in
--   microseconds how long it is to stay open, or has been closed; trips; then in microseconds the pause that is left;
--   milliseconds for which to remember it afterwards; channel; name
-- Answers {1 if it was taken, microseconds of this server's clock, the record}.
-- A record is 'VERSION WHO STATE MOMENT TRIPS PAUSE RESET': the moment until which it is open or since which it is
-- closed, when the pause ends, which version was the last reset. Versions and moments are microseconds of unix time.
local breaker, lease = unpack(KEYS)
local who, what, seen, state, seconds, trips, pause, memory, channel, name = unpack(ARGV)
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

local form = '^(%d+) (%S+) (%a+) (%d+) (%d+) (%d+) (%d+)$'
local held = redis.call('GET', breaker) or ''
local version, author, stands, moment, tripped, paused, reset = string.match(held, form)
version, moment, paused = tonumber(version or 0), tonumber(moment or 0), tonumber(paused or 0)

if what ~= 'paused' then
    -- Whatever became of it, his probe is over.
    if redis.call('GET', lease) == who then redis.call('DEL', lease) end
    if what == 'moved' and version > tonumber(seen) and author ~= who then
        return {0, string.format('%.0f', now), held}
    end
    version, author, stands, tripped = math.max(now, version + 1, tonumber(seen) + 1), who, state, trips
    moment = state == 'closed' and now - seconds or now + seconds
    if what == 'forced' then stands = 'forced' end
    if what == 'reset' then reset, paused = string.format('%.0f', version), 0 end
end
if tonumber(pause) > 0 then paused = math.max(paused, now + pause) end

local lasts = math.max(paused, stands ~= 'closed' and moment or 0, now) - now
local record = string.format(
    '%.0f %s %s %.0f %s %.0f %s', version, author or who, stands or 'closed', moment, tripped or '0', paused, reset or '0')
redis.call('SET', breaker, record, 'PX', math.ceil(lasts / 1000) + memory)
redis.call('PUBLISH', channel, string.format('%.0f %s %s', now, record, name))
return {1, string.format('%.0f', now), record}
