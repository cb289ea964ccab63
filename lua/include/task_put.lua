-- Stores one task in its tenant's open batch. task: its local id; lists and the arguments from args[at] on: as
-- include/stage_put.lua has them, one task. Returns its id, or that of the unique one that is there; or nil and the answer
-- that refuses it: {"wait"} while an equal unique task is being staged, or what include/queue_room.lua has.
local function task_put(P, now_ms, us, tenant, seed, task, lists, args, at)
  local bodies, from, plan = locks_sift(P, now_ms, '', lists, args, at)
  if not bodies then return nil, {'wait'} end
  if plan.gone[task] then return plan.gone[task] end
  local sizes = list_sizes(lists)
  local refusal = queue_room(P, sizes, tenant, bodies, from)
  if refusal then return nil, refusal end
  local home = hidden(P, us, tenant, seed) -- a tenant's record of a wrong type stops this before anything is stored
  stage_put(P, now_ms, home, lists, bodies, from, true)
  locks_take(P, now_ms, home, plan, true) -- no lock without its task
  sizes[1].length = lists[1].length
  batch_join(P, now_ms, {id = home, tenant = tenant, state = 'open'}, home, sizes)
  return home .. task
end
