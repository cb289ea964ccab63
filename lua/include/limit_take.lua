-- Gives tasks that were claimed their slots and tokens of a limit. Raises no error: they are claimed already.
local function limit_take(P, us, l, room, ids)
  if #ids == 0 then return end
  redis.pcall('SADD', key(P, 'lim', l), unpack(ids))
  room.slots, room.tokens = room.slots - #ids, room.tokens - #ids
  if string.find(l, '.', 1, true) then redis.pcall('SADD', key(P, 'lims', string.match(l, '^[^.]*')), l) end
  if not room.tat then return end
  room.tat = room.tat + #ids * room.i
  redis.pcall('HSET', key(P, 'rate', l), 'tat', string.format('%.0f', room.tat))
  redis.pcall('PEXPIRE', key(P, 'rate', l), math.ceil((room.tat - us) / 1000) + 60000)
end
