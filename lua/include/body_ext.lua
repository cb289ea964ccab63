-- A body's extension as a table and the place where its payload begins; nil when it can't be read.
-- A number that is endless or none can't be encoded again, so it can't be read either.
local function body_ext(body)
  if string.sub(body, 11, 11) == '.' then return {}, 12 end
  local stop = string.find(body, '\n', 12, true)
  if not stop then return nil end
  local ok, ext = pcall(cjson.decode, string.sub(body, 12, stop - 1))
  if not ok or type(ext) ~= 'table' then return nil end
  for _, value in pairs(ext) do
    if type(value) == 'number' and value - value ~= 0 then return nil end
  end
  return ext, stop + 1
end
