-- Looks through a part of all unique locks for those that can't be read, whose batch is gone, or whose time nobody watches.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 call json (as include/ledger_find.lua has it: mend what is wrong; an empty list: only look)
--   3 cursor str (0 at first)
-- Returns: {cursor (0 at the end), digests and tasks of the locks whose tasks are to be looked for, in turn}, then {kind,
--   digest, task, 0, 0, 0 | 1 mended} for each difference
-- Includes: guard, now, ledger_find, ledger_keep, lock_read, lock_holder
-- Cost: O(n) for 200 locks
local slot = KEYS[1]
local P, call, cursor = ARGV[1], cjson.decode(ARGV[2]), ARGV[3]
guard(slot)
local mend = #call > 0
local known = mend and ledger_find(P, call)
if known then return known end
local now_ms, uniq, index = now(), key(P, 'uniq'), key(P, 'uniqends')
local page = redis.call('HSCAN', uniq, cursor, 'COUNT', 200)
local held, out = {}, {}
local function tell(kind, digest, task)
  out[#out + 1] = {kind, digest, task or '', 0, 0, mend and 1 or 0}
  if mend and kind ~= 'timeless' then redis.call('HDEL', uniq, digest) end
end
for i = 1, #page[2], 2 do
  local digest, value = page[2][i], page[2][i + 1]
  local task, seg, ends, over = lock_read(value)
  local watched = not ends or redis.call('ZSCORE', index, digest)
  if not task or over and not ends then
    tell('garbled', digest)
  elseif not watched then
    tell(ends > now_ms and 'timeless' or 'unlocked', digest, task)
    if mend and ends > now_ms then redis.call('ZADD', index, ends, digest) end
  elseif not over and not (ends and ends <= now_ms) then
    local holder, staging = lock_holder(P, now_ms, digest)
    if holder and not staging then
      held[#held + 1], held[#held + 2] = digest, task
    elseif not holder and not redis.call('ZSCORE', key(P, 'unlock'), seg) then
      tell('unlocked', digest, task)
    end
  end
end
local reply = {page[1], held, unpack(out)}
return mend and ledger_keep(P, call, reply) or reply
