#!lua flags=allow-oom
-- uses: leases
-- A request is over: what it reserved is free again, what it came to is spent, and its rows are in the ledger. Once,
-- however often this is called.
--
-- KEYS: the tenant's root
-- ARGV: id; method (actual, estimated, released); whether the target that answered is premium (0 or 1); tokens;
-- micro-credits; whether an earlier call may have been carried out although nobody heard so (0 or 1); the lease as
-- admission told it, for a store that has lost it: day, month, scopes; the row; rows of attempts that failed, each as
-- METHOD, tokens, micro-credits, row
-- Answers {'settled' | 'corrected' | 'again' | 'lost' | 'unclear', milliseconds of this server's clock}: again = it was
-- settled before; lost = the lease was not there, and what was spent is booked all the same; unclear = not there
-- either, but it may have been settled long ago: nothing is booked.
local id, method, premium, tokens, credits, is_repeat, day, month, scopes, row = unpack(ARGV, 1, 10)
tokens, credits = tonumber(tokens), tonumber(credits)
local is_premium = premium == '1'
local _, now = clock()
local lease = read_lease(id)
local delta_tokens, delta_credits = tokens, credits
local state = lease and lease.state or (is_repeat == '1' and 'unclear' or 'lost')

local function write_attempts()
    for at = 11, #ARGV, 4 do
        local its_method, its_tokens, its_credits, its_row = unpack(ARGV, at, at + 3)
        its_tokens, its_credits = tonumber(its_tokens), tonumber(its_credits)
        book(lease, SPENT, is_premium, its_tokens, its_credits)
        write_row(id, its_method, its_tokens, its_credits, its_row, now)
    end
end

if state == 'held' then
    free(lease)
    correct_window(lease, tokens)
elseif state == 'swept' then
    -- The sweep has booked already, and its row is written: the difference to the truth is left.
    book(lease, SPENT, lease.is_premium, -lease.sweep_tokens, -lease.sweep_credits)
    correct_window(lease, tokens)
    method, delta_tokens, delta_credits = 'corrected', tokens - lease.sweep_tokens, credits - lease.sweep_credits
elseif state == 'lost' then
    lease = {
        day = day, month = month, scopes = scopes, bucket = 0, premium = premium, is_premium = is_premium,
        tokens = 0, credits = 0, sweep_tokens = 0, sweep_credits = 0,
    }
else
    return {state == 'unclear' and 'unclear' or 'again', text(now)}
end
book(lease, SPENT, is_premium, tokens, credits)
write_row(id, method, delta_tokens, delta_credits, row, now)
write_attempts()
remember(id, lease, 'settled', now, REMEMBERED)
return done({state == 'held' and 'settled' or state == 'swept' and 'corrected' or 'lost', text(now)})
