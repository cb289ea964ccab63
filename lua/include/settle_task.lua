-- Moves one task that is not simply done; other is {id, verb, delay_ms, error, grace_ms}; of one that is done
-- and kept its result stands in place of the error. Returns how it ended (done,
-- failed, cancelled); or nil and its body when it is ready again, and whether it goes to the head of the line.
-- Seldom called.
local function settle_task(P, now_ms, p, other, entry, stopped)
  local b, verb, wait = p.batch, other[2], other[3] or 0
  local _, claimed, body = run_split(entry or '')
  body = body_named(body or '', string.sub(other[1], 23))
  if stopped and verb ~= 'done' then verb = 'cancelled' end
  local ends = verb == 'done' or verb == 'drop' or verb == 'cancelled'
  local noted = verb == 'exhausted' and #errors_read(P, b.id, string.sub(body, 1, 10)) > 0 -- of the attempts themselves
  if (not ends or verb == 'drop') and not noted and other[4] and other[4] ~= '' then note_error(P, now_ms, b.id, body, other[4]) end
  local next_body
  if verb == 'retry' or verb == 'expired' then
    next_body = body_next(body, 1)
  elseif verb == 'release' then
    next_body = body_next(body, 0)
  elseif verb == 'limited' then -- its limit waits instead of it, if it has one
    next_body = body_next(body, 0)
    local limit = body_limit(body)
    if limit then
      limits(P, 'hold', now_ms, limit, wait)
      wait = 0
    end
  elseif verb == 'unknown' then
    local since = count((body_ext(body) or {}).n)
    if since == 0 then since = now_ms end
    if now_ms - since < (other[5] or 0) then next_body = body_next(body, 0, {n = since}) else verb = 'dead' end
  end
  if next_body then
    if wait == 0 then return nil, next_body, verb ~= 'retry' end
    delay(P, p.queue, b.tenant, b.id, next_body, now_ms + wait)
    return nil
  end
  local state = ends and verb ~= 'drop' and verb or 'failed'
  if kept(body) then
    local attempt = count((body_ext(body) or {}).a) + (verb == 'exhausted' and 0 or 1)
    record_end(P, now_ms, b, string.sub(body, 1, 10), state, attempt, claimed, verb == 'done' and other[4])
  end
  if ends then forget(P, b.id, body)
  else bury(P, now_ms, p.queue, b.tenant, b.id, body_next(body, verb == 'dead' and 1 or 0), b.state == 'open') end
  return state
end
