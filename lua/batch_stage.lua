-- Writes one chunk of a batch, or of a segment to be appended, that is too large for one call.
-- Nobody sees it before its commit; what is never committed is pruned.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 seg str (a batch's id, or one with a nonce)
--   3 chunk int (0, 1, 2…: the next is written, an earlier one was, a later one means that one is missing)
--   4 stamp int (1: note the time of creation in each task)
--   5 lists json (as include/stage_put.lua and locks_sift.lua have them, at most 1,000 tasks, 250 unique)
--   6 bodies bytes...
-- Returns: {"ok"}; {"ok", less} with what was left out of it since it is unique and there, as JSON: {kind, queue, n, limit};
--   {"wait"} while an equal unique task is being staged; {"crossed"} where that waits for one of this segment; {"gap", chunk that is expected}; {"late"} when the segment was committed before
-- Includes: guard, now, lists_check, stage_put, list_sizes, locks_sift, locks_take, limit_seg,
--   stage_wait, largest
-- Cost: O(n) for n tasks
local slot = KEYS[1]
local P, seg, chunk, stamp, lists = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4] == '1', cjson.decode(ARGV[5])
guard(slot)
local record = key(P, 'b', seg, 'staged')
local expected = tonumber(redis.call('HGET', record, 'chunk') or 0)
if chunk < expected then
  local last, less = string.match(redis.call('HGET', record, 'less') or '', '^(%d+) (.*)$')
  return tonumber(last) == chunk and {'ok', less} or {'ok'}
end
if chunk > expected then return {'gap', expected} end
if chunk == 0 then
  if redis.call('EXISTS', key(P, 'b', seg)) == 1 then return {'late'} end
  if redis.call('SISMEMBER', key(P, 'b', string.sub(seg, 1, 22), 'a'), seg) == 1 then return {'late'} end
end
lists_check(lists, #ARGV - 5)
local now_ms = now()
local most = largest(ARGV, 6)
local bodies, at, plan = locks_sift(P, now_ms, seg, lists, ARGV, 6)
if not bodies then return stage_wait(P, seg, at) end
local sizes, less = list_sizes(lists), #plan.less > 0 and cjson.encode(plan.less)
if locks_take(P, now_ms, seg, plan) then redis.call('HSET', record, 'u:', 1) end
stage_put(P, now_ms, seg, lists, bodies, at, stamp)
for _, size in ipairs(sizes) do redis.call('HINCRBY', record, limit_seg(size[1] .. ':' .. size[2], size[4]), size[3]) end
redis.call('HDEL', record, 'waits')
if most > tonumber(redis.call('HGET', record, 'largest') or 0) then redis.call('HSET', record, 'largest', most) end
redis.call('HSET', record, 'chunk', chunk + 1, unpack(less and {'less', chunk .. ' ' .. less} or {}))
redis.call('ZADD', key(P, 'staging'), now_ms, seg)
return less and {'ok', less} or {'ok'}

