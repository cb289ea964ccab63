-- Tells where a batch's record doesn't add up, or isn't where indexes ought to have it, and mends the indexes. An
-- open batch is in none, and nobody sees its counters.
local function audit_record(P, now_ms, b, lists, mend, out)
  if b.state == 'open' then return end
  local mark, dead, settled = mend and 1 or 0, 0, b.state ~= 'running'
  local n = redis.call('HMGET', key(P, 'b', b.id), 'total', 'remaining', 'failed', 'cancelled', 'created')
  local total, failed = tonumber(n[1] or 0), tonumber(n[3] or 0)
  local ended = (n[2] or 0) + failed + (n[4] or 0)
  if ended > total then out[#out + 1] = {'sum', b.id, '', total, ended, 2} end
  for _, list in ipairs(lists) do
    if list.kind == 'x' then dead = dead + list.size end
  end
  if dead > failed then out[#out + 1] = {'failed', b.id, '', failed, dead, 2} end
  local kept = redis.call('ZSCORE', key(P, 'settled'), b.id)
  if settled and not kept then
    out[#out + 1] = {'unkept', b.id, b.state, 0, 0, mark}
    if mend then redis.call('ZADD', key(P, 'settled'), now_ms, b.id) end
  elseif kept and not settled then
    out[#out + 1] = {'kept', b.id, b.state, 0, 0, mark}
    if mend then redis.call('ZREM', key(P, 'settled'), b.id) end
  end
  if not redis.call('ZSCORE', key(P, 'tb', b.tenant), b.id) then
    out[#out + 1] = {'unlisted', b.id, b.tenant, 0, 0, mark}
    if mend then redis.call('ZADD', key(P, 'tb', b.tenant), n[5] or 0, b.id) end
  end
end
