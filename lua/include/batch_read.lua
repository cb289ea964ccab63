-- What a settlement needs to know of a batch; state is nil when the batch is gone.
local function batch_read(P, batch)
  local b = redis.call('HMGET', key(P, 'b', batch), 'tenant', 'state', 'remaining', 'failed', 'continuations', 'watched')
  return {
    id = batch,
    tenant = b[1] or nil,
    state = b[2] or nil,
    remaining = tonumber(b[3] or 0),
    left = tonumber(b[3] or 0), -- remaining less what a settlement has planned to end
    failed = tonumber(b[4] or 0),
    continuations = tonumber(b[5] or 0),
    watched = b[6],
  }
end
