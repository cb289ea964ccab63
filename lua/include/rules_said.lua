-- What is set of a tenant, a tier or all, from its text; nothing where it can't be read.
local function rules_said(text)
  local ok, found = pcall(cjson.decode, type(text) == 'string' and text or '{}')
  return ok and type(found) == 'table' and found or {}
end
