-- Tells where the unique locks that a segment has noted would not be given up with it, or are not though it is gone, and
-- sees to it.
local function audit_noted(P, now_ms, seg, state, mend, out)
  local batch, mark = string.sub(seg, 1, 22), mend and 1 or 0
  if not state or state == 'cancelled' then
    if redis.call('ZSCORE', key(P, 'unlock'), seg) then return end
    out[#out + 1] = {'undrained', batch, seg, 0, 0, mark, ''}
    if mend then redis.call('ZADD', key(P, 'unlock'), now_ms, seg) end
  elseif seg == batch and redis.call('HEXISTS', key(P, 'b', batch), 'unique') == 0 then
    out[#out + 1] = {'unmarked', batch, seg, 0, 0, mark, ''}
    if mend then redis.call('HSET', key(P, 'b', batch), 'unique', 1) end
  elseif seg ~= batch and redis.call('SISMEMBER', key(P, 'b', batch, 'segs'), seg .. ':u') == 0 then
    if redis.call('ZSCORE', key(P, 'unlock'), seg) then return end
    out[#out + 1] = {'unmarked', batch, seg, 0, 0, mark, ''}
    if mend then redis.call('SADD', key(P, 'b', batch, 'segs'), seg .. ':u') end
  end
end
