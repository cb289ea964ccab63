-- Tells tasks apart that a step c has claimed under one id, which would be counted as one: all but the first get an id of
-- their own, under which they can't be read.
-- Seldom called.
local function twins(P, c)
  local seen, at, run = {}, 0, key(P, 'run')
  for _, claims in ipairs(c.out) do
    local q, batch, bodies = claims[1], claims[3], claims[5]
    for i, body in ipairs(bodies) do
      at = at + 1
      local id = c.ids[at]
      if seen[id] then
        local own = string.sub(redis.sha1hex(c.token .. ':' .. at), 1, 10)
        c.ids[at], bodies[i] = batch .. own, own .. '?' .. body
        redis.call('HSET', run, id, seen[id], c.ids[at], q .. '\n' .. c.now .. '\n' .. bodies[i])
        redis.call('ZADD', key(P, 'leases'), c.deadline, c.ids[at] .. c.token)
      else
        seen[id] = c.run[2 * at]
      end
    end
  end
end
