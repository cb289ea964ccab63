-- Whether what was told of a schedule is of no more use once it has fired: it waited for room, or an error kept it from firing.
local function schedule_passes(why)
  return why and why ~= 'unique' and why ~= 'held' and why ~= 'missed' and why ~= 'expired'
end
