-- The body with fields of its extension set, or taken away where they are false; a body that can't be read stays as it is.
local function body_set(body, fields)
  local ext, at = body_ext(body)
  if not ext then return body end
  for name, value in pairs(fields) do ext[name] = value or nil end
  local ok, text = pcall(cjson.encode, ext)
  if not ok then return body end
  local kind = string.sub(body, 11, 11) == '*' and '*' or '+'
  return string.sub(body, 1, 10) .. kind .. text .. '\n' .. string.sub(body, at)
end
