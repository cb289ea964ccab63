-- Cancels a batch that has something left: what doesn't run is gone and counted at once, what runs is counted and told.
-- Seldom called.
local function batch_stop(P, now_ms, us, b)
  b.dropped = {}
  local waiting = batch_drop(P, b, now_ms)
  local record = key(P, 'b', b.id)
  redis.call('HINCRBY', record, 'cancelled', b.remaining)
  redis.call('HSET', record, 'remaining', 0, 'zombies', b.remaining - waiting)
  tenant_settle(P, now_ms, b.tenant, b.remaining, 0, b.remaining)
  batch_end(P, now_ms, us, b, 'cancelled')
  redis.call('PUBLISH', P .. 'cancel', b.id)
  local told = {} -- those that run count as cancelled when they leave
  for q, n in pairs(b.dropped) do
    if n > 0 then stats_ends(told, q, b.tenant, n) end
  end
  stats_note(P, us, told)
end
