-- The list of a limit in a batch that lasts, where tasks of all keys of a handler stand together: there may be ever more keys.
local function limit_all(l)
  return l and (string.match(l, '^[^.]*%.') or l)
end
