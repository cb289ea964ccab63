-- The limit whose tasks a list of a batch has, as its segment's name tells: what stands behind the exclamation mark. nil for
-- the lists of tasks without one. A limit that ends in a dot stands for all keys of its handler.
local function limit_of(seg)
  local at = #seg > 22 and string.find(seg, '!', 23, true)
  return at and string.sub(seg, at + 1) or nil
end
