#!lua flags=allow-oom
-- A replica says that it is there, or, without a report, that it goes. Whoever was silent for a day goes too.
--
-- KEYS: replicas
-- ARGV: the replica's id, its report
-- An entry is 'MICROSECONDS REPORT': when it was heard of, by this server's clock.
local replicas = KEYS[1]
local id, report = ARGV[1], ARGV[2]
if not report then return redis.call('HDEL', replicas, id) end
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
redis.call('HSET', replicas, id, string.format('%.0f %s', now, report))
local all = redis.call('HGETALL', replicas)
for i = 1, #all, 2 do
    if now - tonumber(string.match(all[i + 1], '^%d+')) > 86400 * 1000000 then redis.call('HDEL', replicas, all[i]) end
end
return 1
