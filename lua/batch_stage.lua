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
--   5 lists json (as include/stage_put.lua has them, at most 1,000 tasks)
--   6 bodies bytes...
-- Returns: {"ok"}; {"gap", chunk that is expected}; {"late"} when the segment was committed before
-- Includes: guard, now, lists_check, stage_put, list_sizes, limit_seg
-- Cost: O(n) for n tasks
local slot = KEYS[1]
local P, seg, chunk, stamp, lists = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4] == '1', cjson.decode(ARGV[5])
guard(slot)
local record = key(P, 'b', seg, 'staged')
local expected = tonumber(redis.call('HGET', record, 'chunk') or 0)
if chunk < expected then return {'ok'} end
if chunk > expected then return {'gap', expected} end
local sizes = list_sizes(lists)
if chunk == 0 then
  if redis.call('EXISTS', key(P, 'b', seg)) == 1 then return {'late'} end
  if redis.call('SISMEMBER', key(P, 'b', string.sub(seg, 1, 22), 'a'), seg) == 1 then return {'late'} end
end
lists_check(lists, #ARGV - 5)
local now_ms = now()
stage_put(P, now_ms, seg, lists, ARGV, 6, stamp)
for _, size in ipairs(sizes) do redis.call('HINCRBY', record, limit_seg(size[1] .. ':' .. size[2], size[4]), size[3]) end
redis.call('HSET', record, 'chunk', chunk + 1)
redis.call('ZADD', key(P, 'staging'), now_ms, seg)
return {'ok'}
