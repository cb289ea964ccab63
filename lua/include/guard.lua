-- Refuses to run while the hash slot migrates. Two keys that never exist make either side answer
-- TRYAGAIN before anything is written; one key is not enough, and without it a script would find
-- half of the keys that it builds on the other node.
local function guard(slot)
  redis.call('EXISTS', slot, slot .. '~')
end
