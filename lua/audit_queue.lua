-- Holds a queue's account, and those of its tenants in it, against each other and against what is delayed and dead.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 call json (as include/ledger_find.lua has it: mend what is wrong; an empty list: only look)
--   3 queue str
--   4 known int (how many tenants it counted before they were looked for; -1: only tell)
--   5 tenants bytes...  (all that use it, at most 5,000)
-- Returns: {"ok", how many tenants it counts, 1 if that is another number than known}, then {kind, queue, tenant or "",
--   counted, there, 0 | 1 mended} for each difference; {"unsure", what, queue} where there is too much to count
-- Includes: guard, ledger_find, ledger_keep, delayed_in, dead_in, audit_waits
-- Cost: O(tenants + delayed lists + batches with dead letters), 3,000 of these each at most
local slot = KEYS[1]
local P, call, q, count = ARGV[1], cjson.decode(ARGV[2]), ARGV[3], tonumber(ARGV[4])
guard(slot)
local mend = #call > 0
local known = mend and ledger_find(P, call)
if known then return known end
local record, tenants, ready, running = key(P, 'q', q), 0, 0, 0
local n = redis.call('HMGET', record, 'pushed', 'claimed', 'settled', 'delayed', 'dead', 'tenants', 'mode')
local users = tonumber(n[6] or 0)
if count ~= users then return {'ok', users, 1} end
local out, names = {'ok', users, 0}, {}
for i = 5, #ARGV do
  local t = redis.call('HMGET', key(P, 'tq', q, ARGV[i]), 'pushed', 'claimed', 'settled')
  ready, running = ready + (t[1] or 0) - (t[2] or 0), running + (t[2] or 0) - (t[3] or 0)
  names[#names + 1] = ARGV[i]
  tenants = tenants + redis.call('SISMEMBER', key(P, 'tqs', ARGV[i]), q)
end
local claimed = tonumber(n[2] or 0)
local function compare(kind, counted, there, field, value)
  if not there then
    out[#out + 1] = {'unsure', kind, q}
  elseif counted ~= there then
    out[#out + 1] = {kind, q, '', counted, there, mend and 1 or 0}
    if mend then redis.call('HSET', record, field, string.format('%.0f', value)) end
  end
end
local delayed, delays = delayed_in(P, q)
local dead, deaths = dead_in(P, q)
if delayed then audit_waits(P, q, 'delayed', names, delays, mend, out) end
if dead then audit_waits(P, q, 'dead', names, deaths, mend, out) end
compare('queue_tenants', users, tenants, 'tenants', tenants)
compare('queue_ready', (n[1] or 0) - claimed, ready, 'pushed', claimed + ready)
compare('queue_running', claimed - (n[3] or 0), running, 'settled', claimed - running)
compare('queue_delayed', tonumber(n[4] or 0), delayed, 'delayed', delayed)
compare('queue_dead', tonumber(n[5] or 0), dead, 'dead', dead)
if n[7] ~= 'fifo' and redis.call('EXISTS', key(P, 'fifo', q)) == 1 then
  out[#out + 1] = {'misled', q, '', 0, redis.call('LLEN', key(P, 'fifo', q)), mend and 1 or 0}
  if mend then redis.call('UNLINK', key(P, 'fifo', q)) end
end
return mend and ledger_keep(P, call, out) or out
