-- routes.lua keeps what requests find their way by (Routes in nginx/dynamic/routes.go): everything in the state
-- dictionary, and in each worker, decoded, what its requests have needed lately.
--
-- It never chooses a route: router.lua does.

local cjson = require("cjson").new()
local dictionary = require("dictionary")
local packed = require("packed")
local recent = require("recent")
local router = require("router")

local current = dictionary.current
local hosts, lists = dictionary.kind("route"), dictionary.kind("names")
local shared = ngx.shared.sluice_state

local NAMES = "patterns" -- the only entry in lists
local LONGEST_OPEN = "longest_open" -- key of the dictionary: the length of the longest open key, or more
local HALF = 3 * 2 ^ 18 -- bytes of texts in a half of what a worker keeps; decoded they take four to five times that

local M = {}

local shapes = {} -- a set of those that this worker has

-- init says which shapes workers will have.
function M.init(list)
  shapes = {}
  for _, shape in ipairs(list) do shapes[shape] = true end
end

-- without_block is the name in a key. Keys of hosts in a server block with settings of its own begin with what the block is
-- called (see block.go in nginx/dynamic).
local function without_block(key) return key:match("^%x+/(.+)$") or key end

-- put stores the text of a key's entry, or gives back what is wrong.
function M.put(key, text, generation)
  local name = without_block(key)
  if router.is_open(name) and #name > (shared:get(LONGEST_OPEN) or 0) then
    local problem = dictionary.put(shared, LONGEST_OPEN, #name)
    if problem then return problem end
  end
  return hosts.put(key, text, generation)
end

-- put_names stores the names that are patterns, or gives back what is wrong.
function M.put_names(names, generation) return lists.put(NAMES, cjson.encode(names), generation) end

M.drop = hosts.drop

-- drop_unnamed drops all entries but those of an update. keys are all that the dictionary has.
function M.drop_unnamed(update, keys)
  local longest = 0
  for key in pairs(update.routes) do
    local name = without_block(key)
    if router.is_open(name) then longest = math.max(longest, #name) end
  end
  for _, dictionary_key in ipairs(keys) do
    local key = hosts.of(dictionary_key)
    if key and not update.routes[key] then hosts.drop(key) end
  end
  if not update.names then lists.drop(NAMES) end
  if shared:get(LONGEST_OPEN) then shared:set(LONGEST_OPEN, longest) end
end

-- What this worker has decoded, by key: {seen, generation, size, host}. Keys without an entry are not kept, since clients
-- choose them.
local decoded = recent.new(HALF)

-- decode reads the text of an entry, and gives nil for what is none.
local function decode(text)
  local ok, host = pcall(cjson.decode, text)
  return ok and packed.unpack(host) or nil
end

-- refresh brings this worker's copy of an entry up to a generation, and gives it, or nil if there is none.
local function refresh(key, entry, generation)
  -- The entry's generation is read first: if the text changes in between, it is merely read once more.
  local own = hosts.generation(key)
  if own and entry and entry.generation == own then
    entry.seen = generation
    return entry
  end
  local text = own and hosts.text(key)
  local content = decode(text)
  if not content then -- there is none, or it was dropped in between
    recent.drop(decoded, key)
    return nil
  end
  -- A worker that is being replaced lacks shapes that new ones have. It goes on with what it had.
  local host = entry and entry.host
  if router.fits(content, shapes) then host = router.prepare(content, without_block(key)) end
  entry = { seen = generation, generation = own, size = #key + #text, host = host }
  recent.put(decoded, key, entry)
  return entry
end

local function entry_of(key)
  local entry, generation = recent.get(decoded, key), current()
  if entry and entry.seen == generation then return entry end
  return refresh(key, entry, generation)
end

-- host gives the entry of a key as of now, as router.prepare makes it: nil if there is none, false if it needs shapes that
-- this worker does not have. This is called for every request.
function M.host(key)
  local entry = entry_of(key)
  if not entry then return nil end
  local host = entry.host
  if not host or not host.same_as then return host or false end
  entry = entry_of(host.same_as)
  if not entry then return nil end
  return entry.host and not entry.host.same_as and entry.host or false
end

local inside = {} -- what within has given, by block: a worker has few

-- open_block stands by itself, as LuaJIT compiles nothing that may make a closure, nor what calls it.
local function open_block(block)
  local start = block .. "/"
  return function(name) return M.host(start .. name) end
end

-- within gives a function like host for the hosts of a server block; "" and nil are those without settings of their own.
function M.within(block)
  if not block or block == "" then return M.host end
  local found = inside[block]
  if not found then
    found = open_block(block)
    inside[block] = found
  end
  return found
end

local names, names_generation, names_seen = router.prepare_names({}, 0), nil, nil

-- names gives the names that are patterns as of now, as router.prepare_names makes them.
function M.names()
  local generation = current()
  if names_seen == generation then return names end
  local own, longest = lists.generation(NAMES), shared:get(LONGEST_OPEN) or 0
  if own ~= names_generation or longest ~= names.longest_open then
    local ok, list = pcall(cjson.decode, own and lists.text(NAMES))
    names, names_generation = router.prepare_names(ok and list or {}, longest), own
  end
  names_seen = generation
  return names
end

-- stored gives the entry of a key as it is in the dictionary, with its generation, or nil.
function M.stored(key)
  local generation = hosts.generation(key)
  local host = decode(generation and hosts.text(key))
  if host then host.generation = generation end
  return host
end

return M
