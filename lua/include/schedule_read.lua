-- A schedule's record less what may be large; nil when there is none. next: its next occurrence in ms as text, empty when none
-- comes.
local function schedule_read(P, sid)
  local f = redis.call('HMGET', key(P, 's', sid), 'tenant', 'id', 'rev', 'next', 'paused', 'queue', 'why', 'unique', 'runs',
    'task', 'coded', 'rule', 'anchor', 'last')
  if not f[1] then return nil end
  return {
    sid = sid, tenant = f[1], id = f[2], rev = math.floor(whole(f[3])) % 2 ^ 53, next = f[4] or '', paused = f[5],
    queue = f[6], why = f[7], unique = f[8] == '1', runs = whole(f[9]), task = f[10] or '', coded = f[11], rule = f[12],
    anchor = f[13], last = f[14],
  }
end
