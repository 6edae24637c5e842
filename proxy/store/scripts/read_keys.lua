#!lua flags=no-writes
-- The records of some keys, each with its tenant's and whether it is revoked, all of one moment.
--
-- KEYS: keys, key ids, tenants, revoked ids
-- ARGV: 'digest' or 'id', then the digests or ids
-- Answers {seconds, microseconds (of this server's clock), {record, tenant's record, 1 if revoked} or {} each …}.
local keys, ids, tenants, revoked = unpack(KEYS)

local function held(name)
    local digest = name
    if ARGV[1] == 'id' then digest = redis.call('HGET', ids, name) end
    local record = digest and redis.call('HGET', keys, digest)
    if not record then return {} end
    local is_json, fields = pcall(cjson.decode, record)
    local is_ours = is_json and type(fields) == 'table' and type(fields.id) == 'string' and type(fields.tenant) == 'string'
    if not is_ours then return {} end
    return {record, redis.call('HGET', tenants, fields.tenant), redis.call('SISMEMBER', revoked, fields.id)}
end

local answer = redis.call('TIME')
for i = 2, #ARGV do answer[i + 1] = held(ARGV[i]) end
return answer
