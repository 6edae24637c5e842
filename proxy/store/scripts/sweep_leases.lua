#!lua flags=allow-oom
-- uses: leases
-- Settles the leases of workers that died, and forgets those that are long over.
--
-- KEYS: the tenant's root
-- ARGV: how many at most
-- Answers how many there were.
local _, now = clock()
return done(tidy(now, tonumber(ARGV[1])))
