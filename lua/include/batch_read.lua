-- What a settlement needs to know of a batch; state is nil when the batch is gone.
local function batch_read(P, batch)
  local b = redis.call('HMGET', key(P, 'b', batch), 'tenant', 'state', 'remaining', 'failed', 'continuations', 'watched',
    'fail_after', 'total')
  return {
    id = batch,
    tenant = b[1] or nil,
    state = b[2] or nil,
    remaining = whole(b[3]),
    left = whole(b[3]), -- remaining less what a settlement has planned to end
    failed = whole(b[4]),
    continuations = whole(b[5]),
    watched = b[6],
    fail_after = b[7] or nil, -- as batch_create.lua has it
    total = whole(b[8]),
  }
end
