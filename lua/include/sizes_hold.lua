-- Whether a segment's lists hold exactly what its producer staged.
local function sizes_hold(P, seg, sizes)
  for _, size in ipairs(sizes) do
    if list_size(P, limit_seg(seg, size[4]), size[1], size[2]) ~= size[3] then return false end
  end
  return true
end
