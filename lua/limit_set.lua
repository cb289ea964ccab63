-- Sets what the code or an operator says of a handler's limit, and lets what waits for it go on if it may; the limits of a
-- handler's keys are looked at by limit_wake.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 call json (as include/ledger_find.lua has it)
--   3 limit str (digest of the handler's name)
--   4 mark str (empty: the code's word; an exclamation mark: an operator's)
--   5 value str (JSON as include/limit_values.lua reads it; empty: it says nothing any more)
--   6 entry str (for the journal, as include/journal.lua has it); noted where it changes anything
-- Returns: {"ok", 1 if it said something else before}; {"stale"}
-- Includes: guard, now, ledger_find, ledger_keep, limit_next, journal
-- Cost: O(queues in which tasks wait)
local slot = KEYS[1]
local P, call, limit, mark, value, entry = ARGV[1], cjson.decode(ARGV[2]), ARGV[3], ARGV[4], ARGV[5], ARGV[6]
guard(slot)
local known = ledger_find(P, call)
if known then return known end
local _, us = now()
local limits = key(P, 'limits')
local changed = (redis.call('HGET', limits, limit .. mark) or '') ~= value
redis.call('HDEL', limits, limit .. mark)
if value ~= '' then redis.call('HSET', limits, limit .. mark, value) end
if changed then
  journal(P, entry)
  limit_next(P, us, limit)
end
return ledger_keep(P, call, {'ok', changed and 1 or 0})
