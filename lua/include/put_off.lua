-- Lets an entry of an index wait for another minute, since its keys are broken; one that can't be an entry is dropped.
local function put_off(index, before, member, valid)
  redis.call('ZREM', index, member)
  if valid then redis.call('ZADD', index, before + 60000, member) end
end
