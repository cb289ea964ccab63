-- Writes a chunk of tasks under a segment's own keys, where nobody sees them yet.
-- lists: {kind, queue, n, delay_ms, due_ms, kept, unique, limit} with kind r (ready: n bodies), d (delayed: n bodies) or
-- big (n pairs of local id and payload), their arguments from args[at] on; a list of kind r gains the
-- length that the segment's has now. kept: how many of the tasks have records. stamp: note the time of creation.
local function stage_put(P, now_ms, seg, lists, args, at, stamp)
  for _, list in ipairs(lists) do
    local kind, q, n = list[1], list[2], list[3]
    local last = at + (kind == 'big' and 2 * n or n) - 1
    if kind == 'big' then
      redis.call('HSET', key(P, 'b', seg, 'big'), unpack(args, at, last))
    else
      if stamp then
        for i = at, last do args[i] = body_stamp(args[i], now_ms) end
      end
      if count(list[6]) > 0 then records_put(P, seg, q, args, at, last) end
      if kind == 'r' then
        list.length = redis.call('RPUSH', key(P, 'b', limit_seg(seg, list[8]), 'r', q), unpack(args, at, last))
      else
        local due, scores, bodies = list[5] or now_ms + list[4], {}, {}
        for i = at, last do
          local id = string.sub(args[i], 1, 10)
          scores[#scores + 1], scores[#scores + 2] = due, id
          bodies[#bodies + 1], bodies[#bodies + 2] = id, q .. '\n' .. args[i]
        end
        redis.call('ZADD', key(P, 'b', seg, 'd', q), unpack(scores))
        redis.call('HSET', key(P, 'b', seg, 'w'), unpack(bodies))
      end
    end
    at = last + 1
  end
  return at
end
