#!lua flags=allow-oom
-- uses: leases
-- Nobody knows whether this admission was carried out: what it holds is released, and should it come only now, it is
-- refused.
--
-- KEYS: the tenant's root
-- ARGV: id
-- Answers 'released' or 'kept away' where nothing was held; 'over' if it was settled.
local id = ARGV[1]
local _, now = clock()
local lease = read_lease(id)
if lease and lease.state == 'held' then
    free(lease)
    correct_window(lease, 0)
    remember(id, lease, 'gone', now, REMEMBERED)
    return done('released')
end
if lease then return lease.state == 'gone' and 'kept away' or 'over' end
local nothing = {day = '', month = '', bucket = 0, premium = '0', tokens = 0, credits = 0, sweep_tokens = 0,
    sweep_credits = 0, scopes = ''}
remember(id, nothing, 'gone', now, REMEMBERED)
return 'kept away'
