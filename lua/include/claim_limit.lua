-- What a limit's room is in this step; it is read once.
local function claim_limit(P, c, l)
  local room = c.limits[l]
  if not room then
    room = limit_room(P, c.us, l)
    c.limits[l] = room
  end
  return room
end
