#!lua flags=allow-oom
-- uses: leases
-- Requests that still run: their leases last longer.
--
-- KEYS: the tenant's root
-- ARGV: how much longer (milliseconds), ids
-- Answers the ids whose leases are held no longer.
local _, now = clock()
local gone = {}
for at = 2, #ARGV do
    local lease = read_lease(ARGV[at])
    if lease and lease.state == 'held' then
        redis.call('ZADD', due, text(now + ARGV[1]), ARGV[at])
    else
        gone[#gone + 1] = ARGV[at]
    end
end
return gone
