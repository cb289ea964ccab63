-- Reads batches; one that does not exist is an empty list.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 watch int (what to publish of them, as include/watch.lua has it; 0: nothing)
--   3 batches bytes...  (at most 250)
-- Returns: {id, tenant, label, state, total, remaining, failed, cancelled, us, created_us, ended_us, fail_after,
--   first claim us, first claim us since it runs, how many had ended before that, now_us} each
-- Includes: guard, now, watch
-- Cost: O(n)
local slot = KEYS[1]
local P, level = ARGV[1], tonumber(ARGV[2])
guard(slot)
local _, us = now()
local out = {}
for i = 3, #ARGV do
  local record = key(P, 'b', ARGV[i])
  local b = redis.call('HMGET', record, 'tenant', 'label', 'state', 'total', 'remaining', 'failed', 'cancelled', 'us', 'created', 'ended',
    'fail_after', 'started', 'since', 'base')
  if b[3] and b[3] ~= 'open' then
    if level > 0 then watch(P, ARGV[i], level) end
    out[#out + 1] = {ARGV[i], b[1], b[2], b[3], b[4] or '0', b[5] or '0', b[6] or '0', b[7] or '0', b[8] or '0', b[9] or '0', b[10] or '',
      b[11] or '', b[12] or b[13] or '', b[13] or '', b[14] or '0', string.format('%.0f', us)}
  else
    out[#out + 1] = {}
  end
end
return out
