-- The queue names of a batch with those of more lists added, as one string; and how many they are.
local function queues_add(names, sizes)
  local seen, all = {}, {}
  for name in string.gmatch(names, '%S+') do
    seen[name] = true
    all[#all + 1] = name
  end
  for _, size in ipairs(sizes) do
    if size[1] ~= 'big' and size[1] ~= 'rec' and not seen[size[2]] then
      seen[size[2]] = true
      all[#all + 1] = size[2]
    end
  end
  return table.concat(all, ' '), #all
end
