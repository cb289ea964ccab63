-- How many bytes the largest of some stored tasks and payloads has, of args[at] on.
local function largest(args, at)
  local most = 0
  for i = at, #args do
    if #args[i] > most then most = #args[i] end
  end
  return most
end
