-- update/routes.lua reads the routes of a document (nginx/dynamic/routes.go): it checks them and copies what is known of
-- them, so that nothing else gets stored.
--
-- It is pure. A reader takes a value and gives it in the form that is stored, or nil and what is wrong with it.

local cjson = require("cjson").new()
local alternatives = require("alternatives")
local packed = require("packed")

local LARGEST = 10 ^ 14 - 1 -- cjson writes numbers with 14 digits
local LONGEST_NAME = 512
local LONGEST_TEXT = 4096 -- NGINX takes no longer argument, so no path or pattern is longer
local LONGEST_KEY = 4200 -- a pattern or name, with what says which of them it is

local M = {}

-- text reads strings up to a length, of a form if that is given as a pattern of Lua's.
local function text(longest, form)
  return function(value)
    if type(value) ~= "string" or #value > longest or (form and not value:find(form)) then return nil, "is bad" end
    return value
  end
end

local function flag(value)
  if type(value) ~= "boolean" then return nil, "is not a boolean" end
  return value
end

local function count(value)
  if type(value) ~= "number" or value < 0 or value > LARGEST or value % 1 ~= 0 then return nil, "is bad" end
  return value
end

local function list(read)
  return function(value)
    if type(value) ~= "table" then return nil, "is not a list" end
    local out, size = {}, 0
    for _ in pairs(value) do size = size + 1 end
    if size ~= #value then return nil, "is not a list" end
    for i, item in ipairs(value) do
      local good, problem = read(item)
      if good == nil then return nil, i .. " " .. problem end
      out[i] = good
    end
    return out
  end
end

local function map(read_key, read)
  return function(value)
    if type(value) ~= "table" then return nil, "is not an object" end
    local out = {}
    for key, item in pairs(value) do
      local name = read_key(key)
      if not name or name == "" then return nil, "has a bad key" end
      local good, problem = read(item)
      if good == nil then return nil, name:gsub("%c", "?") .. ": " .. problem end
      out[name] = good
    end
    return out
  end
end

-- object reads the fields of which a reader is given. Empty texts are left out. required lacks none of its fields.
local function object(fields, required)
  return function(value)
    if type(value) ~= "table" then return nil, "is not an object" end
    local out = {}
    for name, read in pairs(fields) do
      if value[name] ~= nil then
        local good, problem = read(value[name])
        if good == nil then return nil, name .. " " .. problem end
        if good ~= "" then out[name] = good end
      end
    end
    for _, name in ipairs(required or {}) do
      if out[name] == nil then return nil, name .. " is missing" end
    end
    return out
  end
end

local name, long_text, key = text(LONGEST_NAME), text(LONGEST_TEXT), text(LONGEST_KEY)
local shape, variable = text(LONGEST_NAME, "^@."), text(LONGEST_NAME, "^[%w_]+$")
local path = text(LONGEST_TEXT, "^/")

-- directory reads a path that ends in a slash.
local function directory(value)
  if not path(value) or value:sub(-1) ~= "/" then return nil, "is bad" end
  return value
end

-- template reads literals and names of variables by turns.
local function template(value)
  local out, problem = list(long_text)(value)
  if not out then return nil, problem end
  if #out == 0 then return nil, "is empty" end
  for i = 2, #out, 2 do
    if not variable(out[i]) then return nil, i .. " is no variable" end
  end
  return out
end

local function alternative(value)
  local problem = alternatives.check(value)
  if problem then return nil, problem end
  return alternatives.prepare(value)
end

local jump = object({ shape = shape, target = template }, { "shape" })

local redirect = object({ shape = shape, target = template, pattern = long_text }, { "shape" })

local rewrite = object({
  pattern = long_text, refused = shape, empty = shape, path = template, args = template, drop_args = flag, log = flag, exports = list(variable),
}, { "pattern", "path" })

local route_fields = object({
  namespace = name, ingress = name, service = name, port = name, path = long_text, is_exact_twin = flag, backend = name,
  fallback = name,
  slash = jump, limit = count, too_large = shape, denied = shape, redirect = redirect, in_clear = shape, rewrite = rewrite,
  alternatives = list(alternative), unavailable = shape, late = flag, shape = shape,
})

-- route reads a route that has an end for every request.
local function route(value)
  local out, problem = route_fields(value)
  if not out then return nil, problem end
  if out.limit == 0 then out.limit = nil end
  if out.limit and not out.too_large then return nil, "too_large is missing" end
  if (out.unavailable or out.late) and not out.backend then return nil, "backend is missing" end
  if out.alternatives and #out.alternatives == 0 then out.alternatives = nil end
  if out.shape or out.denied or (out.redirect and not out.redirect.pattern) then return out end
  return nil, "shape is missing"
end

local host_fields = object({
  same_as = key, server_name = key, all = jump, root = jump,
  exact = map(path, count), prefix = map(directory, count),
  patterns = list(object({ text = long_text, route = count }, { "text", "route" })), routes = list(route),
})

-- outside tells whether an index, from 0, is of no route.
local function outside(host, index) return index >= #(host.routes or {}) end

-- host reads an entry.
local function host(value)
  local out, problem = host_fields(value)
  if not out then return nil, problem end
  if out.same_as and next(out, next(out)) then return nil, "same_as is not alone" end
  if out.patterns and out.prefix then return nil, "patterns and prefixes are not for one host" end
  for _, field in ipairs({ "exact", "prefix" }) do
    for _, index in pairs(out[field] or {}) do
      if outside(out, index) then return nil, field .. " leads to no route" end
    end
  end
  for i, pattern in ipairs(out.patterns or {}) do
    if outside(out, pattern.route) then return nil, "patterns " .. i .. " leads to no route" end
  end
  return out
end

-- stored reads an entry and gives its text: ten thousand tables would be many to keep until they are stored.
local function stored(value)
  local out, problem = host(value)
  if not out then return nil, problem end
  return cjson.encode(packed.pack(out))
end

local hosts, keys = map(key, stored), list(text(LONGEST_KEY, "."))
local names = list(object({ key = text(LONGEST_KEY, "^~."), host = key }, { "key" }))

-- read gives the routes of a document: entries by key, as JSON, the names that are patterns or nil, and a list of keys whose entries are
-- gone. Or nil and what is wrong.
function M.read(document)
  local gone = document.removed and document.removed.routes
  local out, problem = {}, nil
  out.routes, problem = hosts(document.routes or {})
  if problem then return nil, "routes " .. problem end
  if document.names ~= nil then out.names, problem = names(document.names) end
  if problem then return nil, "names " .. problem end
  out.removed, problem = keys(gone or {})
  if problem then return nil, "removed.routes " .. problem end
  return out
end

return M
