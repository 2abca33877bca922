-- recent.lua keeps what was used lately, in two halves: what is used is in the young half, or moves there. When that is full
-- it becomes the old one, and what the old one had and nobody has used since is forgotten. So there is never more than
-- two halves hold, and a use costs a look at one table, or two.
--
-- It is pure. Of what it keeps it reads the field size only.

local M = {}

-- new makes an empty one. room is the sum of the sizes that a half holds. stays(value), if it is given, tells of what is about
-- to be forgotten whether it is kept for another turn, beside what there is room for.
function M.new(room, stays)
  return { young = {}, old = {}, used = 0, most = room, room = room, stays = stays }
end

-- turn makes room for another young half.
local function turn(recent)
  local leaving, old, young, used = recent.old, recent.young, {}, 0
  if recent.stays then
    for key, value in pairs(leaving) do
      if old[key] == nil and recent.stays(value) then young[key], used = value, used + value.size end
    end
  end
  recent.old, recent.young, recent.used, recent.most = old, young, used, recent.room + used
end

-- put keeps a value, in place of the key's former one. Its size never changes.
function M.put(recent, key, value)
  local former = recent.young[key]
  if former then recent.used = recent.used - former.size end
  if recent.used > 0 and recent.used + value.size > recent.most then turn(recent) end
  recent.young[key], recent.used = value, recent.used + value.size
end

-- get gives the value of a key, or nil.
function M.get(recent, key)
  local value = recent.young[key]
  if value then return value end
  value = recent.old[key]
  if value then M.put(recent, key, value) end
  return value
end

-- drop forgets a key.
function M.drop(recent, key)
  local value = recent.young[key]
  if value then recent.used = recent.used - value.size end
  recent.young[key], recent.old[key] = nil, nil
end

return M
