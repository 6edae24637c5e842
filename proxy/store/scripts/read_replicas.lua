#!lua flags=no-writes
-- Who has been heard of, and what there is to obey.
--
-- KEYS: replicas, the state of the records
-- Answers {seconds, microseconds (of this server's clock), epoch, 'MICROSECONDS REPORT' …}.
local time = redis.call('TIME')
local answer = {time[1], time[2], redis.call('HGET', KEYS[2], 'epoch') or ''}
for _, entry in ipairs(redis.call('HVALS', KEYS[1])) do table.insert(answer, entry) end
return answer
