-- Notes in the journal who has changed what: entry is a JSON object that gains the time and, where there is one, how many it was
-- about; nothing for an empty one. A call of several steps (goes_on) has one entry, to which each adds its count. 10,000 stay.
-- Call it after the first write, which a full Redis lets through; what it refuses here is left out.
local function journal(P, entry, n, goes_on)
  if not entry or entry == '' then return end
  local list, now_ms, rest = key(P, 'journal'), now(), string.sub(entry, 2)
  for i = -1, goes_on and -50 or 0, -1 do
    local noted = redis.pcall('LINDEX', list, i)
    if type(noted) ~= 'string' then break end
    local at, count = string.match(noted, '^{"at":(%d+),"count":(%d+),')
    if at and string.sub(noted, -#rest) == rest then
      redis.pcall('LSET', list, i, string.format('{"at":%s,"count":%.0f,', at, count + n) .. rest)
      return
    end
  end
  local count = n and string.format('"count":%.0f,', n) or ''
  local size = redis.pcall('RPUSH', list, string.format('{"at":%.0f,', now_ms) .. count .. rest)
  if type(size) == 'number' and size > 10000 then redis.call('LPOP', list, math.min(1000, size - 10000)) end
end
