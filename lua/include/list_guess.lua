-- The place of a task in a ready list, guessed from the counter in its id and the head's, as far as
-- a window of 200 around the guess shows it; nil otherwise.
local function list_guess(list, id)
  local digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
  local function number(text)
    local n = 0
    for i = 1, #text do n = n * 62 + (string.find(digits, string.sub(text, i, i), 1, true) or 1) - 1 end
    return n
  end
  local head = redis.call('LINDEX', list, 0)
  if not head or head == '' then return nil end
  local from = math.max(0, number(id) - number(string.sub(head, 1, 10)) - 100)
  if from > 10000000 then return nil end
  for i, body in ipairs(redis.call('LRANGE', list, from, from + 199)) do
    if string.sub(body, 1, 10) == id then return from + i - 1, body end
  end
  return nil
end
