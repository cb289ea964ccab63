-- Whether an entry of an index stands for nothing: the batch, list, tenant, running task or schedule that it names isn't there.
local function index_stale(P, index, of, member)
  local seg, q = string.match(member, '^([^:]+):?(.*)$')
  if index == 'settled' and q == '+' then return redis.call('EXISTS', key(P, 'b', seg, 'kept')) == 0 end
  if index == 'settled' and q ~= '' then return list_size(P, seg, 'x', q) == 0 end
  if index == 'settled' or index == 'tb' then return redis.call('HEXISTS', key(P, 'b', member), 'state') == 0 end
  if index == 'delayed' and string.sub(member, 1, 1) == '@' then
    return redis.call('EXISTS', key(P, 'out', string.sub(member, 2))) == 0
  end
  local limit = index == 'delayed' and string.match(member, '^!(.*)$')
  if limit then return redis.call('EXISTS', key(P, 'park', limit)) == 0 end
  if index == 'delayed' then return list_size(P, seg, 'd', q) == 0 end
  if index == 'dead' then return list_size(P, member, 'x', of) == 0 end
  if index == 'staging' then return redis.call('EXISTS', key(P, 'b', member, 'staged')) == 0 end
  if index == 'cx' then return redis.call('HEXISTS', key(P, 'run'), member) == 0 end
  if index == 'schedules' or index == 'coded' or index == 'over' then return redis.call('EXISTS', key(P, 's', member)) == 0 end
  if index == 'ts' then
    local sid = string.sub(member, -22)
    local f = redis.pcall('HMGET', key(P, 's', sid), 'tenant', 'id')
    return redis.call('EXISTS', key(P, 's', sid)) == 0 or f[1] and (f[1] ~= of or f[2] .. '\0' .. sid ~= member)
  end
  return redis.call('EXISTS', key(P, 't', member)) == 0
end
