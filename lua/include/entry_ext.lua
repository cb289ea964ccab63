-- The extension of a running task's body, empty where it has none or can't be read.
local function entry_ext(entry)
  local _, _, body = run_split(entry or '')
  return body_ext(body or '') or {}
end
