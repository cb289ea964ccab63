-- Adds an attempt's error, a JSON object, to a task's history: one a line, the last 20 and 64 kB at most.
local function note_error(P, now_ms, batch, id, error)
  local e = key(P, 'b', batch, 'e')
  local stamped = string.format('{"at":%.0f,', now_ms) .. string.sub(error, 2)
  local old = redis.call('HGET', e, id)
  local history = old and (old .. '\n' .. stamped) or stamped
  local _, lines = string.gsub(history, '\n', '\n')
  for _ = 1, 20 do
    if lines < 20 and #history <= 65536 then break end
    local stop = string.find(history, '\n', 1, true)
    if not stop then break end
    history, lines = string.sub(history, stop + 1), lines - 1
  end
  redis.call('HSET', e, id, history)
end
