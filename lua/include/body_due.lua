-- The body of a task that becomes ready with since when it is (ms), from where its wait counts; one that has that stays as it is.
local function body_due(body, ext, due)
  if string.sub(body, 11, 11) == '.' then
    return string.sub(body, 1, 10) .. string.format('+{"r":%.0f}\n', due) .. string.sub(body, 12)
  end
  return count(ext.r) == 0 and body_set(body, {r = due}) or body
end
