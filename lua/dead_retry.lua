-- Makes dead letters ready again with fresh attempts; their batches run again. A unique one whose equal is there stays.
-- Moves: failed → ready; batch failed → running
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 call json (as include/ledger_find.lua has it)
--   3 tasks json ({batch, queue, local id}, at most 100)
--   4 attempts int (max_attempts from now on; 0: as before)
--   5 entry str (for the journal, as include/journal.lua has it); each call of several adds to it
-- Returns: {"ok", how many}; {"stale"}
-- Includes: guard, now, ledger_find, ledger_keep, batch_read, counts_check, body_set, dead_take, push,
--   batch_again, tenant_settle, kept, record_again, changed, letter_lock, journal
-- Cost: O(n log dead) for n tasks
local slot = KEYS[1]
local P, call, tasks, attempts = ARGV[1], cjson.decode(ARGV[2]), cjson.decode(ARGV[3]), tonumber(ARGV[4])
local entry = ARGV[5]
guard(slot)
local known = ledger_find(P, call)
if known then return known end
local now_ms = now()
local count, batches = 0, {}
for _, task in ipairs(tasks) do
  local b, q = batches[task[1]] or batch_read(P, task[1]), task[2]
  batches[b.id] = b
  if b.state then -- what can't be counted is looked for before a letter is taken
    if not b.tenant then error('batch ' .. b.id .. ': its record names no tenant') end
    counts_check(key(P, 'b', b.id), 'state', 'failed', 'remaining')
    counts_check(key(P, 't', b.tenant), 'hidden', 'failed', 'remaining')
    counts_check(key(P, 'tq', q, b.tenant), 'us', 'pushed', 'claimed')
  end
  counts_check(key(P, 'q', q), 'mode', 'dead', 'pushed')
end
for _, task in ipairs(tasks) do
  local b, q, id = batches[task[1]], task[2], task[3]
  local body = b.state and b.state ~= 'cancelled' and letter_lock(P, now_ms, b, q, id) and dead_take(P, b, q, id)
  if body then
    local record = key(P, 'b', b.id)
    redis.call('HINCRBY', record, 'failed', -1)
    redis.call('HINCRBY', record, 'remaining', 1)
    if b.state == 'failed' or b.state == 'done' then
      b.state = 'running'
      redis.call('HSET', record, 'state', b.state)
      batch_again(P, b.id)
      redis.call('ZREM', key(P, 'settled'), b.id)
    end
    tenant_settle(P, now_ms, b.tenant, -1, -1, 0)
    if kept(body) then record_again(P, b, id) end
    changed(P, b, 2)
    push(P, q, b.tenant, b.id, {body_set(body, {a = 0, n = false, r = now_ms, m = attempts > 0 and attempts or nil})})
    count = count + 1
  end
end
if count > 0 then journal(P, entry, count, true) end
return ledger_keep(P, call, {'ok', count})
