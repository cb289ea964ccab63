-- Notes in the claim c that a list leaves the line with its tenant: of what waits for its limit another goes on.
local function limit_passes(c, seg)
  local l = limit_of(seg)
  if l then c.next[l] = true end
end
