-- Writes the records of kept tasks among some bodies, under the segment that they come with: local id → queue and body.
-- Seldom called.
local function records_put(P, seg, q, bodies, at, last)
  local fields = {}
  for i = at, last do
    if kept(bodies[i]) then fields[#fields + 1], fields[#fields + 2] = string.sub(bodies[i], 1, 10), q .. '\n' .. bodies[i] end
  end
  if #fields > 0 then redis.call('HSET', key(P, 'b', seg, 'rec'), unpack(fields)) end
end
