-- Holds what tenants have in queues against their lists and running tasks, and their places in line against both.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 call json (as include/ledger_find.lua has it: mend what is wrong; an empty list: only look)
--   3 exact int (1: count running tasks here and now)
--   4 asked json ({queue, tenant, how many run as far as is known, how many are ready in lists that are in no line, the
--     version that the account had before tasks were counted in steps, or "", and how many were ready then} each, at most 20)
-- Returns: {"ok"}, then {kind, queue, tenant, counted, there, 0 | 1 mended | 2 can't be mended} for each difference;
--   {"suspect", queue, tenant} where the known number of running tasks doesn't fit; {"unsure", what, queue, tenant,
--   version} where there is too much to count
-- Includes: guard, ledger_find, ledger_keep, running_in, ready_in, audit_account, audit_place
-- Cost: O(n × lists in line), 3,000 lists each at most; with exact also O(running tasks), 3,000 at most
local slot = KEYS[1]
local P, call, exact, asked = ARGV[1], cjson.decode(ARGV[2]), ARGV[3] == '1', cjson.decode(ARGV[4])
guard(slot)
local mend = #call > 0
local known = mend and ledger_find(P, call)
if known then return known end
local out = {'ok'}
for _, one in ipairs(asked) do
  local q, tenant = one[1], one[2]
  local n = redis.call('HMGET', key(P, 'tq', q, tenant), 'pushed', 'claimed', 'settled')
  local a = {queue = q, tenant = tenant}
  a.pushed, a.claimed, a.settled = tonumber(n[1] or 0), tonumber(n[2] or 0), tonumber(n[3] or 0)
  local version = table.concat({
    n[1] or 0, n[2] or 0, n[3] or 0, redis.call('HGET', key(P, 't', tenant), 'cancelled') or 0, -- all that takes tasks away
  }, ':')
  local running, still, ready, held = one[3], version == one[5], ready_in(P, q, tenant)
  ready = ready and ready + one[4] or still and one[6] or nil
  if a.claimed - a.settled ~= running and not still then
    running = exact and running_in(P, q, tenant) or nil
    if not exact then out[#out + 1] = {'suspect', q, tenant}
    elseif not running then out[#out + 1] = {'unsure', 'running', q, tenant, version} end
  end
  if not ready then out[#out + 1] = {'unsure', 'line', q, tenant, version} end
  audit_account(P, a, ready, running, mend, out)
  if ready then audit_place(P, a, ready, held or ready, mend, out) end
end
return mend and ledger_keep(P, call, out) or out
