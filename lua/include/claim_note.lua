-- Notes tasks that were taken off a list in the claim c for leasing; b has when their batch was created, and its tenant.
-- What has no id gets one, so that everybody reads the same.
local function claim_note(c, q, batch, b, bodies)
  local ids, leases, run, n_ids, start = c.ids, c.leases, c.run, #c.ids, q .. '\n' .. c.now .. '\n'
  for i, body in ipairs(bodies) do
    if not string.find(body, '^%w%w%w%w%w%w%w%w%w%w.') then
      local id = string.match(body, '^%w%w%w%w%w%w%w%w%w%w') or string.sub(redis.sha1hex(c.token .. ':' .. n_ids + i), 1, 10)
      body = id .. (#body > 10 and string.sub(body, 11) or '?')
      bodies[i] = body
    end
    local id, at = batch .. string.sub(body, 1, 10), 2 * (n_ids + i)
    ids[n_ids + i] = id
    leases[at - 1], leases[at] = c.deadline, id .. c.token
    run[at - 1], run[at] = id, start .. body
  end
  if #bodies > 0 then c.out[#c.out + 1] = {q, b[2] or '', batch, b[1] or '0', bodies} end
end
