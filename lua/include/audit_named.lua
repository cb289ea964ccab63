-- Tells where a list isn't named by its batch's record, as its tasks then couldn't be cancelled, and names it.
local function audit_named(P, tenant, state, seg, kind, q, mend, out)
  local batch, named = string.sub(seg, 1, 22), false
  local record, segs = key(P, 'b', batch), key(P, 'b', batch, 'segs')
  local queues = redis.call('HGET', record, 'queues') or ''
  if seg ~= batch then
    named = redis.call('SISMEMBER', segs, seg .. ':' .. kind .. ':' .. q) == 1
  elseif state == 'open' then
    named = redis.call('SISMEMBER', key(P, 'tqs', tenant), q) == 1
  else
    named = string.find(' ' .. queues .. ' ', ' ' .. q .. ' ', 1, true) ~= nil
  end
  if named then return end
  out[#out + 1] = {'unnamed', batch, q, 0, 0, mend and 1 or 0, tenant}
  if not mend then return end
  if seg ~= batch then
    redis.call('SADD', segs, seg .. ':' .. kind .. ':' .. q)
    if kind == 'd' then redis.call('SADD', segs, seg .. ':w') end
  elseif state == 'open' then
    enrol(P, q, tenant)
  else
    redis.call('HSET', record, 'queues', queues == '' and q or queues .. ' ' .. q)
  end
end
