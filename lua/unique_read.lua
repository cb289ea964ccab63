-- Finds the task that has a unique lock.
-- Moves: none
-- KEYS:
--   1 slot none (routes the call; the key never exists)
-- ARGV:
--   1 prefix str
--   2 digest str
-- Returns: {"ok", task id}; {"staging"} while its batch is not visible; {"unknown"}
-- Includes: guard, now, lock_holder
-- Cost: O(1)
local slot = KEYS[1]
local P, digest = ARGV[1], ARGV[2]
guard(slot)
local task, staging = lock_holder(P, now(), digest)
if not task then return {'unknown'} end
return staging and {'staging'} or {'ok', task}
