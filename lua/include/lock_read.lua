-- A unique lock taken apart: the task that has it, the segment that the task was stored under, when the lock ends at the
-- latest (ms; nil: with its task), and whether the task is done and only this time is still held. nil for what is no lock.
local function lock_read(value)
  local task, nonce, over, ends = string.match(value, '^(%w+)(%+?%w*)(!?):?(%d*)$')
  if not task or #task ~= 32 then return nil end
  return task, string.sub(task, 1, 22) .. nonce, tonumber(ends), over == '!'
end
