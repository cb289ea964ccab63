-- Names a key: the instance's prefix and the parts joined by colons, as taskproc/keys.py lists them.
local function key(P, a, b, c, d)
  if d then return P .. a .. ':' .. b .. ':' .. c .. ':' .. d end
  if c then return P .. a .. ':' .. b .. ':' .. c end
  if b then return P .. a .. ':' .. b end
  return P .. a
end
