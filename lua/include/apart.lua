-- Calls a function so that a key of a wrong type, or a record that can't be read, stops nothing else: its error is noted
-- in broken, 20 at most, with what it was about: its kind and name. Returns what the function does, or nil. What pcall
-- catches is a text: Redis takes it out of its own tables of errors.
local function apart(broken, kind, name, f, ...)
  local ok, a, b, c = pcall(f, ...)
  if ok then return a, b, c end
  if #broken < 20 then broken[#broken + 1] = kind .. ' ' .. name .. ': ' .. tostring(a) end
end
