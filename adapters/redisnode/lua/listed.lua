-- Lists of pages with their histories.

-- list_histories answers like list, with the setting of the history and when it began, '' for none, after the
-- cursor, and the histories of the pages of each arc after these.
local function list_histories(at, limit, arcs)
  local answer = list(at, limit, arcs, page_histories, 20)
  if answer[1] == 'OK' then table.insert(answer, 3, history or '') end
  return answer
end
