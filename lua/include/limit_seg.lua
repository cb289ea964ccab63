-- The segment in which a segment's tasks of a limit lie, apart from its others.
local function limit_seg(seg, limit)
  return limit and seg .. '!' .. limit or seg
end
