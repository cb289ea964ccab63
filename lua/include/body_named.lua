-- A stored body, under the id by which it was found. One that has another, or has none, can't be read: two tasks of one id
-- would be counted as one.
local function body_named(body, id)
  if #body > 10 and string.sub(body, 1, 10) == id then return body end
  return id .. '?' .. body
end
