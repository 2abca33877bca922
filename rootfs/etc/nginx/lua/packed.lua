-- packed.lua makes the text of a host's entry short: what all its routes have in common is in it once. Most hosts have several
-- paths of one Ingress, and the dictionary takes a power of two bytes for a text.
--
-- It is pure, and knows no field by name.

local M = {}

-- in_all tells whether all routes have this value in a field.
local function in_all(routes, name, value)
  for i = 2, #routes do
    if routes[i][name] ~= value then return false end
  end
  return type(value) ~= "table"
end

-- pack moves what all routes of an entry have in common into its field common.
function M.pack(host)
  local routes = host.routes
  if not routes or #routes < 2 then return host end
  local common = {}
  for name, value in pairs(routes[1]) do
    if in_all(routes, name, value) then common[name] = value end
  end
  for name in pairs(common) do
    for _, route in ipairs(routes) do route[name] = nil end
  end
  if next(common) then host.common = common end
  return host
end

-- unpack undoes that.
function M.unpack(host)
  for name, value in pairs(host.common or {}) do
    for _, route in ipairs(host.routes) do route[name] = value end
  end
  host.common = nil
  return host
end

return M
