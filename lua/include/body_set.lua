-- The body with fields of its extension set; a body that can't be read stays as it is.
local function body_set(body, fields)
  local ext, at = body_ext(body)
  if not ext then return body end
  for name, value in pairs(fields) do ext[name] = value end
  local kind = string.sub(body, 11, 11) == '*' and '*' or '+'
  return string.sub(body, 1, 10) .. kind .. cjson.encode(ext) .. '\n' .. string.sub(body, at)
end
