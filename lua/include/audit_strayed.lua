-- Tells where a tenant doesn't know of an open batch of its own, so that nobody could cancel, move or purge what lies in it, and names
-- it again, unless the tenant has another by now.
local function audit_strayed(P, b, mend, out)
  local home = redis.call('HGET', key(P, 't', b.tenant), 'hidden')
  if home == b.id then return end
  local mark = home and 2 or mend and 1 or 0
  out[#out + 1] = {'strayed', b.id, b.tenant, 0, 0, mark}
  if mark == 1 then redis.call('HSET', key(P, 't', b.tenant), 'hidden', b.id) end
end
