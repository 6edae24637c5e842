-- What the scripts of a tenant's quota share; it stands before each that says so.
--
-- KEYS[1] is the tenant's root, `segue:tenant:{TENANT}:quota`: the newest time seen, in milliseconds. All else lies
-- beside it, under the same hash tag:
--   ROOT:leases     hash: id -> lease
--   ROOT:due        sorted set: id by the millisecond from which something is to be done about its lease
--   ROOT:ledger     stream of rows
--   ROOT:of:SCOPE   hash: one scope's account. SCOPE: 'tenant', 'key:ID', 'route:NAME'. Its fields:
--     d20261130, m202611   a period's eight figures: tokens, micro-credits, tokens and micro-credits of premium targets
--                          that are spent, then the same four that are held for requests that run
--     running              requests that run
--     w0 … w12             the sub-buckets of the sliding window: 'NUMBER REQUESTS TOKENS'
--     tidied               the day on which periods long over were last removed
-- Amounts are whole and below 2^53, which Lua's numbers hold exactly; they come and go as decimal strings.
local root = KEYS[1]
local leases, due, ledger = root .. ':leases', root .. ':due', root .. ':ledger'
local BUCKETS, BUCKET_MILLISECONDS = 13, 5000
local OVERDUE, REMEMBERED, LATEST = 30000, 900000, 48 * 3600000 -- milliseconds
local SPENT, HELD = 0, 4 -- where the four figures of each begin
local EIGHT = string.rep('%.0f ', 7) .. '%.0f'

local function text(number) return string.format('%.0f', number) end

local function split(line)
    local words = {}
    for word in string.gmatch(line .. '\31', '(.-)\31') do words[#words + 1] = word end
    return words
end

-- Milliseconds by this server's clock; the second never goes back, whatever the clock does.
local function clock()
    local time = redis.call('TIME')
    local now = time[1] * 1000 + math.floor(time[2] / 1000)
    local newest = tonumber(redis.call('GET', root) or 0)
    return now, math.max(now, newest), newest
end

-- Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days.
local function calendar(milliseconds)
    local days = math.floor(milliseconds / 86400000) + 719468
    local era = math.floor(days / 146097)
    local day_of_era = days - era * 146097
    local year_of_era = math.floor((day_of_era - math.floor(day_of_era / 1460) + math.floor(day_of_era / 36524)
        - math.floor(day_of_era / 146096)) / 365)
    local day_of_year = day_of_era - (365 * year_of_era + math.floor(year_of_era / 4) - math.floor(year_of_era / 100))
    local shifted = math.floor((5 * day_of_year + 2) / 153)
    local day = day_of_year - math.floor((153 * shifted + 2) / 5) + 1
    local month = shifted < 10 and shifted + 3 or shifted - 9
    local year = year_of_era + era * 400 + (month <= 2 and 1 or 0)
    return string.format('d%04d%02d%02d', year, month, day), string.format('m%04d%02d', year, month)
end

-- Accounts are read once and written once in each call, because a call of the server costs more than all else here.
-- `done` writes them; no script answers otherwise.
local accounts = {}

local function account(scope)
    local found = accounts[scope]
    if not found then
        local all, kept = redis.call('HGETALL', root .. ':of:' .. scope), {}
        for at = 1, #all, 2 do kept[all[at]] = all[at + 1] end
        found = {kept = kept, changed = {}, periods = {}}
        accounts[scope] = found
    end
    return found
end

local function set(found, field, value)
    found.kept[field], found.changed[field] = value, value
end

-- The eight figures of a period.
local function figures(found, period)
    local eight = found.periods[period]
    if not eight then
        eight = {0, 0, 0, 0, 0, 0, 0, 0}
        if found.kept[period] then
            local at = 1
            for figure in string.gmatch(found.kept[period], '%S+') do
                eight[at], at = tonumber(figure), at + 1
            end
        end
        found.periods[period] = eight
    end
    return eight
end

local function done(answer)
    for scope, found in pairs(accounts) do
        local words = {}
        for field, value in pairs(found.changed) do
            words[#words + 1] = field
            words[#words + 1] = value == true and string.format(EIGHT, unpack(found.periods[field])) or value
        end
        if #words > 0 then redis.call('HSET', root .. ':of:' .. scope, unpack(words)) end
    end
    return answer
end

-- A lease as it is kept. `state`: held, settled, swept, gone. Its words are told apart by a character no name has.
local WORDS = {
    'state', 'day', 'month', 'bucket', 'premium', 'tokens', 'credits', 'sweep_tokens', 'sweep_credits', 'decision',
    'scopes', 'row',
}

local function read_lease(id)
    local kept = redis.call('HGET', leases, id)
    if not kept then return nil end
    local words, lease = split(kept), {}
    for at, name in ipairs(WORDS) do lease[name] = words[at] end
    lease.bucket, lease.tokens, lease.credits = tonumber(lease.bucket), tonumber(lease.tokens), tonumber(lease.credits)
    lease.sweep_tokens, lease.sweep_credits = tonumber(lease.sweep_tokens), tonumber(lease.sweep_credits)
    lease.is_premium = lease.premium == '1'
    return lease
end

local function write_lease(id, lease, look_at)
    local words = {}
    for at, name in ipairs(WORDS) do
        local value = lease[name]
        words[at] = type(value) == 'number' and text(value) or value
    end
    redis.call('HSET', leases, id, table.concat(words, '\31'))
    redis.call('ZADD', due, text(look_at), id)
end

-- What remains of a lease that is over: enough to know it again.
local function remember(id, lease, state, now, how_long)
    lease.state, lease.row, lease.decision = state, '', ''
    write_lease(id, lease, now + how_long)
end

local function accounts_of(lease)
    if not lease.accounts then
        lease.accounts = {}
        for scope in string.gmatch(lease.scopes, '[^\30]+') do
            lease.accounts[#lease.accounts + 1] = account(scope)
        end
    end
    return lease.accounts
end

-- Adds to both periods of a lease, in every scope of it. `first`: SPENT or HELD.
local function book(lease, first, is_premium, tokens, credits)
    if tokens == 0 and credits == 0 then return end
    for _, found in ipairs(accounts_of(lease)) do
        for _, period in ipairs({lease.day, lease.month}) do
            local eight = figures(found, period)
            eight[first + 1], eight[first + 2] = eight[first + 1] + tokens, eight[first + 2] + credits
            if is_premium then
                eight[first + 3], eight[first + 4] = eight[first + 3] + tokens, eight[first + 4] + credits
            end
            found.changed[period] = true
        end
    end
end

-- The window's tokens become what they really were, while their sub-bucket is there; or not at all.
local function correct_window(lease, tokens)
    local field = 'w' .. lease.bucket % BUCKETS
    for _, found in ipairs(accounts_of(lease)) do
        local number, requests, counted = string.match(found.kept[field] or '', '^(%d+) (%d+) (%d+)$')
        if tonumber(number) == lease.bucket then
            set(found, field, number .. ' ' .. requests .. ' ' .. text(math.max(0, counted + tokens - lease.tokens)))
        end
    end
end

local function count_running(lease, change)
    for _, found in ipairs(accounts_of(lease)) do
        set(found, 'running', text((found.kept.running or 0) + change))
    end
end

-- Ends a lease that is held: what it reserved is free again.
local function free(lease)
    book(lease, HELD, lease.is_premium, -lease.tokens, -lease.credits)
    count_running(lease, -1)
end

local function write_row(id, method, tokens, credits, row, now)
    redis.call('XADD', ledger, '*', 'id', id, 'method', method, 'tokens', text(tokens), 'credits', text(credits),
        'at', text(now), 'row', row)
end

local function sweep(id, lease, now)
    free(lease)
    book(lease, SPENT, lease.is_premium, lease.sweep_tokens, lease.sweep_credits)
    correct_window(lease, lease.sweep_tokens)
    write_row(id, 'swept', lease.sweep_tokens, lease.sweep_credits, lease.row, now)
    lease.tokens = lease.sweep_tokens -- what the window holds from now on
    remember(id, lease, 'swept', now, LATEST)
end

-- Up to `count` leases about which something is to be done: those of workers that died are settled, those that are
-- long over are forgotten.
local function tidy(now, count)
    local ids = redis.call('ZRANGEBYSCORE', due, '-inf', text(now - OVERDUE), 'LIMIT', 0, count)
    for _, id in ipairs(ids) do
        local lease = read_lease(id)
        if lease and lease.state == 'held' then
            sweep(id, lease, now)
        else
            redis.call('HDEL', leases, id)
            redis.call('ZREM', due, id)
        end
    end
    return #ids
end
