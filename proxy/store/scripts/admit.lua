#!lua
-- uses: leases
-- Whether a request may be sent to a provider, and what is held for it until it is over: everything it may come to, in
-- every limit at once, or nothing.
--
-- KEYS: the tenant's root
-- ARGV: id; not_after (milliseconds of this server's clock); how long the lease lasts (milliseconds); the row to write
-- should nobody settle it; how many limits, then each as SCOPE, KIND, FIGURE, LIMIT; how many options, in order of
-- preference, then each as SCOPES (told apart by \30), premium (0 or 1), tokens of the prompt, micro-credits of the
-- prompt, tokens of the output, the fewest that are of use, micro-credits per million of them, tokens and micro-credits
-- that a sweep books
-- KIND: requests, window_tokens, running, day or month. FIGURE, of the last two: 1 tokens, 2 micro-credits, 3 and 4 those
-- of premium targets; else 0.
-- Answers {'granted', number of the option (from 1), tokens of the output, now, day, month, then what is used of each
-- limit, this request included}, {'refused', number of the limit (from 1), used, milliseconds until it may fit, now},
-- {'late', now}, or {'over', now}: this id was given up or settled before.
local id, not_after, lasts, row = unpack(ARGV, 1, 4)
local clock_now, now, newest = clock()
if clock_now > tonumber(not_after) then return {'late', text(clock_now)} end

local before = read_lease(id)
if before then
    if before.state ~= 'held' then return {'over', text(now)} end
    return split(string.gsub(before.decision, '\30', '\31'))
end
if now > newest then redis.call('SET', root, text(now)) end
tidy(now, 8)

local day, month = calendar(now)
local bucket = math.floor(now / BUCKET_MILLISECONDS)

-- Requests and tokens of the last thirteen sub-buckets, and those of each: no sixty seconds lie outside of them.
local function window(found)
    if not found.window then
        local requests, tokens, each = 0, 0, {}
        for slot = 0, BUCKETS - 1 do
            local kept = found.kept['w' .. slot]
            if kept then
                local number, its_requests, its_tokens = string.match(kept, '(%d+) (%d+) (%d+)')
                number = tonumber(number)
                if number > bucket - BUCKETS then
                    requests, tokens = requests + its_requests, tokens + its_tokens
                    each[number] = {requests = tonumber(its_requests), window_tokens = tonumber(its_tokens)}
                end
            end
        end
        found.window = {requests = requests, window_tokens = tokens, each = each}
    end
    return found.window
end

-- What is used of a limit, spent and held.
local function used(scope, kind, figure)
    local found = account(scope)
    if kind == 'running' then return tonumber(found.kept.running or 0) end
    if figure == 0 then return window(found)[kind] end
    local eight = figures(found, kind == 'day' and day or month)
    return eight[SPENT + figure] + eight[HELD + figure]
end

local limits, options = {}, {}
local at = 6
for number = 1, tonumber(ARGV[5]) do
    local scope, kind, figure = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2])
    limits[number] = {
        scope = scope, kind = kind, most = tonumber(ARGV[at + 3]), used = used(scope, kind, figure),
        is_of_period = figure > 0, is_of_premium = figure > 2, is_of_credits = figure == 2 or figure == 4,
        is_count = kind == 'requests' or kind == 'running',
    }
    at = at + 4
end
for number = 1, tonumber(ARGV[at]) do
    local first = at + 1 + (number - 1) * 9
    local option = {
        scopes = ARGV[first], is_premium = ARGV[first + 1] == '1',
        prompt = tonumber(ARGV[first + 2]), prompt_credits = tonumber(ARGV[first + 3]),
        output = tonumber(ARGV[first + 4]), fewest = tonumber(ARGV[first + 5]), rate = tonumber(ARGV[first + 6]),
        sweep_tokens = tonumber(ARGV[first + 7]), sweep_credits = tonumber(ARGV[first + 8]), is_in = {},
    }
    for scope in string.gmatch(option.scopes, '[^\30]+') do option.is_in[scope] = true end
    options[number] = option
end

local function credits_of(option, output)
    return option.prompt_credits + math.ceil(output * option.rate / 1000000)
end

local function concerns(limit, option)
    return option.is_in[limit.scope] and (option.is_premium or not limit.is_of_premium)
end

-- What of a limit a request takes.
local function takes(limit, option, output)
    if limit.is_count then return 1 end
    return limit.is_of_credits and credits_of(option, output) or option.prompt + output
end

-- The number of the first limit that is in the way.
local function obstacle(option, output)
    for number, limit in ipairs(limits) do
        if concerns(limit, option) and limit.used + takes(limit, option, output) > limit.most then return number end
    end
end

-- The most output that fits what is left of the day and the month; limits of the minute shrink nothing.
local function fitting(option)
    local output = option.output
    for _, limit in ipairs(limits) do
        if limit.is_of_period and concerns(limit, option) then
            local left = limit.most - limit.used
            if not limit.is_of_credits then
                output = math.min(output, left - option.prompt)
            elseif credits_of(option, output) > left and option.rate > 0 then
                output = math.min(output, math.floor((left - option.prompt_credits) / option.rate * 1000000) + 1)
                while output > 0 and credits_of(option, output) > left do output = output - 1 end
            end
        end
    end
    return output
end

-- Milliseconds until a limit may have room for what did not fit now.
local function wait_for(limit, wanted)
    if limit.kind == 'running' then return 1000 end
    if not limit.is_of_period then
        local each, left = window(account(limit.scope)).each, limit.used
        for number = bucket - BUCKETS + 1, bucket do
            if each[number] then
                left = left - each[number][limit.kind]
                if left + wanted <= limit.most then return (number + BUCKETS) * BUCKET_MILLISECONDS - now end
            end
        end
        return BUCKETS * BUCKET_MILLISECONDS
    end
    local tomorrow = (math.floor(now / 86400000) + 1) * 86400000
    while limit.kind == 'month' do
        local _, its_month = calendar(tomorrow)
        if its_month ~= month then break end
        tomorrow = tomorrow + 86400000
    end
    return tomorrow - now
end

-- Periods that ended 48 hours ago go, unless something is still held in them.
local function remove_old(scope)
    local found = account(scope)
    if found.kept.tidied == day then return end
    local last_day, last_month = calendar(now - LATEST)
    for field in pairs(found.kept) do
        local letter = string.match(field, '^([dm])%d+$')
        if letter and field < (letter == 'd' and last_day or last_month) then
            local _, _, _, _, tokens, credits = unpack(figures(found, field))
            if tokens == 0 and credits == 0 and not found.changed[field] then
                redis.call('HDEL', root .. ':of:' .. scope, field)
            end
        end
    end
    set(found, 'tidied', day)
end

local function count_in_window(found, tokens)
    local field = 'w' .. bucket % BUCKETS
    local number, requests, counted = string.match(found.kept[field] or '', '(%d+) (%d+) (%d+)')
    if tonumber(number) ~= bucket then requests, counted = 0, 0 end
    set(found, field, text(bucket) .. ' ' .. text(requests + 1) .. ' ' .. text(counted + tokens))
end

local function grant(number, output)
    local option = options[number]
    local tokens, credits = option.prompt + output, credits_of(option, output)
    local answer = {'granted', text(number), text(output), text(now), day, month}
    for _, limit in ipairs(limits) do
        answer[#answer + 1] = text(limit.used + (concerns(limit, option) and takes(limit, option, output) or 0))
    end
    local lease = {
        state = 'held', day = day, month = month, bucket = bucket, premium = option.is_premium and '1' or '0',
        tokens = tokens, credits = credits, sweep_tokens = math.min(option.sweep_tokens, tokens),
        sweep_credits = math.min(option.sweep_credits, credits), decision = table.concat(answer, '\30'),
        scopes = option.scopes, row = row,
    }
    for scope in pairs(option.is_in) do remove_old(scope) end
    for _, found in ipairs(accounts_of(lease)) do count_in_window(found, tokens) end
    count_running(lease, 1)
    book(lease, HELD, option.is_premium, tokens, credits)
    write_lease(id, lease, now + lasts)
    return done(answer)
end

for number, option in ipairs(options) do
    if not obstacle(option, option.output) then return grant(number, option.output) end
end
local refused
for number, option in ipairs(options) do
    local output = fitting(option)
    if output < option.output and output >= option.fewest and not obstacle(option, output) then
        return grant(number, output)
    end
    refused = obstacle(option, math.min(option.output, math.max(output, option.fewest))) or refused
end
local option, limit = options[#options], limits[refused]
local wait = wait_for(limit, takes(limit, option, math.min(option.output, option.fewest)))
return done({'refused', text(refused), text(limit.used), text(math.max(0, wait)), text(now)})
