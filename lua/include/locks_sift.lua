-- Leaves out of a chunk's lists the unique tasks whose equal is stored or stands before them; writes nothing.
-- lists: as include/stage_put.lua has them, those with unique tasks marked by a 1 in the seventh place, and large payloads
-- last. Returns the arguments that are left, where they begin, and the plan that include/locks_take.lua carries out: takes,
-- robbed, gone (local id → who has its lock), less ({kind, queue, n, limit} left out); nil and the segment where an equal task
-- is being staged.
local function locks_sift(P, now_ms, seg, lists, args, at)
  local plan, marked = {mine = {}, takes = {}, robbed = {}, gone = {}, less = {}}, false
  for _, list in ipairs(lists) do marked = marked or list[7] == 1 end
  if not marked then return args, at, plan end
  if seg ~= '' then redis.call('SCARD', key(P, 'b', seg, 'u')) end -- of a wrong type these stop all before the first write
  redis.call('ZCARD', key(P, 'uniqends'))
  local left, stay = {}, {}
  for _, list in ipairs(lists) do
    local n, records, width = 0, 0, list[1] == 'big' and 2 or 1
    for i = at, at + width * list[3] - 1, width do
      local staging = list[7] == 1 and locks_plan(P, now_ms, seg, args[i], plan)
      if staging then return nil, staging end
      if not plan.gone[string.sub(args[i], 1, 10)] then
        n = n + 1
        for j = i, i + width - 1 do left[#left + 1] = args[j] end
      elseif list[1] ~= 'big' and kept(args[i]) then
        records = records + 1
      end
    end
    at = at + width * list[3]
    if n < list[3] then plan.less[#plan.less + 1] = {list[1], list[2], list[3] - n, list[8]} end
    if records > 0 then list[6], plan.less[#plan.less + 1] = list[6] - records, {'rec', '', records} end
    list[3] = n
    if n > 0 then stay[#stay + 1] = list end
  end
  for i = 1, #lists do lists[i] = stay[i] end
  return left, 1, plan
end
