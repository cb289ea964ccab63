-- How many tasks of a limit may start now: slots that are free, tokens of its rate, neither while a handler has it held.
-- tat is when the next token would be due if they came one by one. No time lies further ahead than the rate or the hold
-- allows, whatever the clock did.
local function limit_room(P, us, l)
  local v = limit_values(P, l)
  local r = redis.call('HMGET', key(P, 'rate', l), 'tat', 'until', 'wait')
  local room = {slots = 1000000, tokens = 1000000, i = v.i, b = v.b}
  if v.m then room.slots = v.m - redis.call('SCARD', key(P, 'lim', l)) end
  if v.i > 0 then
    room.tokens, room.tat = tokens(us, whole(r[1]), v.i, v.b)
    room.moved = whole(r[1]) > room.tat
  end
  local held = math.min(whole(r[2]), us + whole(r[3]))
  if held > us then room.held, room.tokens, room.moved = held, 0, room.moved or whole(r[2]) > held end
  return room
end
