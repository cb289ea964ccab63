-- Notes when the first task of a batch was claimed since it runs; tasks are on their way, so it raises no error.
local function batch_began(P, us, batch, since, n)
  if n > 0 and not since then redis.pcall('HSET', key(P, 'b', batch), 'since', string.format('%.0f', us)) end
end
