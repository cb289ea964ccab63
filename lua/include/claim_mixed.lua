-- Claims up to n tasks of a list that has tasks of many keys of one limit. Those whose key has no room, or has others waiting,
-- go to the list of their key, which waits for it; a batch has 256 lists at most, beyond which this one waits for that key.
-- Looks at 200 tasks, and moves 500 in all of a step. Returns as claim_limited does.
local function claim_mixed(P, c, q, seg, n, rest)
  local batch, list, plan = string.sub(seg, 1, 22), key(P, 'b', seg, 'r', q), {taken = {}, order = {}, popped = 0}
  local record, field = key(P, 'b', batch), 'tombs:' .. seg .. ':' .. q
  local b = redis.call('HMGET', record, 'created', 'tenant', 'watched', 'since')
  local look = math.min(200, c.moves, rest or 200)
  local bodies = look > 0 and redis.call('LRANGE', list, 0, look - 1) or {}
  if #bodies == 0 then return redis.call('EXISTS', list) == 1, b[2], 0 end
  local lists, tombs, stuck = redis.call('SCARD', key(P, 'b', batch, 'segs')), 0, nil
  for _, body in ipairs(bodies) do
    local l = body_limit(body)
    local room, part = l and claim_limit(P, c, l), l and plan[l]
    if l and not part then
      part = {limit = l, size = redis.call('LLEN', key(P, 'b', batch .. '!' .. l, 'r', q)), bodies = {}, ids = {}}
      plan[l], plan.order[#plan.order + 1] = part, part
    end
    local open = not l or limit_free(room) - #part.ids > 0 and part.size + #part.bodies == 0
    if body == '' then
      tombs = tombs + 1
    elseif open then
      if #plan.taken >= n then break end
      plan.taken[#plan.taken + 1] = body
      if l then part.ids[#part.ids + 1] = batch .. string.sub(body, 1, 10) end
    else
      if part.size + #part.bodies == 0 then lists = lists + 1 end
      if lists > 257 and part.size + #part.bodies == 0 then
        stuck = l
        break
      end
      part.bodies[#part.bodies + 1] = body
    end
    plan.popped = plan.popped + 1
  end
  return claim_split(P, c, q, seg, b, plan, {stuck = stuck, tombs = tombs, field = field, rest = rest})
end
