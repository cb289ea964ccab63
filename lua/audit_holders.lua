-- Looks for the tasks that have unique locks, a bounded way at a time, and drops the locks of those that are nowhere.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 call json (as include/ledger_find.lua has it: mend what is wrong; an empty list: only look)
--   3 asked json ({digest, task, cursor (empty at first), version (empty at first)} each, at most 10)
-- Returns: {"ok"}, then {"unlocked", digest, task, 0, 0, 0 | 1 mended} for each difference; {"more", digest, task, cursor,
--   version} where the search is to go on; {"unsure", what, task} where tasks were claimed meanwhile
-- Includes: guard, ledger_find, ledger_keep, lock_read, batch_read, batch_lists, batch_version, task_held, task_seek
-- Cost: O(n × window) for n locks
local slot = KEYS[1]
local P, call, asked = ARGV[1], cjson.decode(ARGV[2]), cjson.decode(ARGV[3])
guard(slot)
local mend = #call > 0
local known = mend and ledger_find(P, call)
if known then return known end
local out = {'ok'}
for _, one in ipairs(asked) do
  local digest, task, cursor, version = one[1], one[2], one[3], one[4]
  local holder, _, _, over = lock_read(redis.call('HGET', key(P, 'uniq'), digest) or '')
  local id, b = string.sub(task, 23), batch_read(P, string.sub(task, 1, 22))
  if holder == task and not over and b.state then
    local place, more = task_held(P, b, id), nil
    if not place then place, more = task_seek(P, b, id, cursor) end
    local seen = not place and batch_version(P, b, batch_lists(P, b))
    if not place and more ~= '' then
      out[#out + 1] = {'more', digest, task, more, cursor == '' and seen or version}
    elseif not place and cursor ~= '' and seen ~= version then
      out[#out + 1] = {'unsure', 'lock', task}
    elseif not place or place[1] == 'dead' then
      out[#out + 1] = {'unlocked', digest, task, 0, 0, mend and 1 or 0}
      if mend then redis.call('HDEL', key(P, 'uniq'), digest) end
    end
  end
end
return mend and ledger_keep(P, call, out) or out
