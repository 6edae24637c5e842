#!lua flags=allow-oom
-- Every change to tenants and keys, whole or not at all: the checks, the writes, the version one up, the word to all.
--
-- KEYS: state, tenants, keys, key ids, revoked ids, the ids of the tenant's keys, ids whose running requests were ended
-- ARGV: the change's id, not_after (unix microseconds by this server's clock), the channel, the operation, what it needs
-- Answers {'done', version, the ids of keys that ended with their tenant}, or {why not}: there, missing, differs (another
-- change came between), revoked, late (nobody waits for it any more).
--
-- Records are text here, replaced only where they still are what their changer read. allow-oom: a store that is full of
-- other things must not keep a key from being revoked, and records are few.
local state, tenants, keys, ids, revoked, tenants_keys, cut = unpack(KEYS)
local change, not_after, channel, operation = unpack(ARGV, 1, 4)

local function refused_change(id, digest, expected)
    local current = redis.call('HGET', keys, digest)
    if not current then return 'missing' end
    if redis.call('SISMEMBER', revoked, id) == 1 then return 'revoked' end
    if current ~= expected then return 'differs' end
end

local function refused_key(id, digest)
    if redis.call('HEXISTS', ids, id) == 1 or redis.call('HEXISTS', keys, digest) == 1
        or redis.call('SISMEMBER', revoked, id) == 1 then
        return 'there'
    end
end

local function add_key(id, digest, record)
    redis.call('HSET', keys, digest, record)
    redis.call('HSET', ids, id, digest)
    redis.call('SADD', tenants_keys, id)
end

local operations = {}

function operations.create_tenant(name, record)
    if redis.call('HSETNX', tenants, name, record) == 0 then return 'there' end
end

function operations.change_tenant(name, expected, record)
    local current = redis.call('HGET', tenants, name)
    if not current then return 'missing' end
    if current ~= expected then return 'differs' end
    redis.call('HSET', tenants, name, record)
end

function operations.delete_tenant(name)
    if redis.call('HDEL', tenants, name) == 0 then return 'missing' end
    local ended = redis.call('SMEMBERS', tenants_keys)
    for _, id in ipairs(ended) do
        local digest = redis.call('HGET', ids, id)
        if digest then redis.call('HDEL', keys, digest) end
        redis.call('HDEL', ids, id)
        redis.call('SADD', revoked, id)
    end
    redis.call('DEL', tenants_keys)
    return nil, ended
end

function operations.create_key(tenant, tenant_is, id, digest, record)
    if tenant_is == 'here' and redis.call('HEXISTS', tenants, tenant) == 0 then return 'missing' end
    local refusal = refused_key(id, digest)
    if refusal then return refusal end
    add_key(id, digest, record)
end

function operations.change_key(id, digest, expected, record)
    local refusal = refused_change(id, digest, expected)
    if refusal then return refusal end
    redis.call('HSET', keys, digest, record)
end

function operations.rotate_key(id, digest, expected, record, its_id, its_digest, its_record)
    local refusal = refused_change(id, digest, expected) or refused_key(its_id, its_digest)
    if refusal then return refusal end
    redis.call('HSET', keys, digest, record)
    add_key(its_id, its_digest, its_record)
end

local function add_to(set, added_ids)
    local added = 0
    for _, id in ipairs(added_ids) do added = added + redis.call('SADD', set, id) end
    if added == 0 then return 'known' end
end

function operations.revoke(...)
    return add_to(revoked, {...})
end

function operations.cut(...)
    return add_to(cut, {...})
end

local time = redis.call('TIME')
if time[1] * 1000000 + time[2] > tonumber(not_after) then return {'late'} end
local refusal, ended = operations[operation](unpack(ARGV, 5))
if refusal == 'known' then return {'done', tonumber(redis.call('HGET', state, 'version') or 0), {}} end
if refusal then return {refusal} end
redis.call('HSETNX', state, 'epoch', change)
redis.call('HSET', state, 'change', change)
local version = redis.call('HINCRBY', state, 'version', 1)
redis.call('PUBLISH', channel, version)
return {'done', version, ended or {}}
