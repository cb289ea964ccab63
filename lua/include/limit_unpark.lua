-- Puts one list of a queue that waits for a limit back in line: that of the tenant which was served least by now, since what
-- was noted when it began to wait may be of the past. Lists of tenants that stand out of line go back to these, and another
-- goes on. Looks at 50 at most.
local function limit_unpark(P, q, l)
  local park, back = key(P, 'park', l, q), nil
  local strict = redis.call('HGET', key(P, 'q', q), 'mode') == 'fifo'
  for n = 1, 50 do
    local two = redis.call('ZRANGE', park, 0, 1, 'WITHSCORES')
    local seg = two[1]
    if not seg then break end
    local tenant = redis.call('HGET', key(P, 'b', string.sub(seg, 1, 22)), 'tenant')
    if not tenant or redis.call('EXISTS', key(P, 'b', seg, 'r', q)) == 0 then
      redis.call('ZREM', park, seg)
    else
      local outside = redis.pcall('SISMEMBER', key(P, 'out', tenant), q) == 1
      local turn = (strict or outside) and 0 or limit_turn(P, q, tenant)
      if strict or outside or n >= 20 or not two[4] or turn <= tonumber(two[4]) then
        redis.call('ZREM', park, seg)
        redis.call('HDEL', key(P, 'b', string.sub(seg, 1, 22)), 'held:' .. seg .. ':' .. q)
        limit_line(P, q, seg, tenant)
        if not outside then
          back = seg
          if string.sub(seg, -1) ~= '.' then break end -- one of many keys may have nothing left for this one
        end
      else
        redis.call('ZADD', park, string.format('%.0f', turn), seg)
      end
    end
  end
  limit_empty(P, q, l)
  return back ~= nil
end
