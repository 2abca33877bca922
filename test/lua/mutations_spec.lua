-- mutations_spec.lua: whatever document comes, it is applied as a whole or not at all, nothing raises an error, and workers can
-- read what is stored. Documents are those of the fixtures with something in them broken, as it comes; SLUICE_MUTATIONS
-- says how many, SLUICE_SEED from where on.

local cjson = require("cjson")
local judge = require("judge")

local COUNT = tonumber(os.getenv("SLUICE_MUTATIONS")) or 3000
local SEED = tonumber(os.getenv("SLUICE_SEED")) or 1

local random = math.random

-- What comes in the place of something else.
local STRANGE = {
  cjson.null, true, false, 0, -1, 0.5, 1, 65536, 1e15, 1e300, "", " ", "\0", "a\nb", "@", "@x", "/", "/a/", "~^x", "10.0.0.1", "::1", "$host",
  ("x"):rep(600), ("/"):rep(5000), {}, { {} }, { 1, 2 }, { a = {} }, { [""] = 1 }, { address = "10.0.0.1", port = 80 }, { "", "host" },
}

local function read(path)
  local file = assert(io.open(path))
  local text = file:read("*a")
  file:close()
  return text
end

local texts = {}
local list = io.popen("ls nginx/dynamic/testdata/*.json")
for path in list:lines() do texts[#texts + 1] = read(path) end
list:close()

-- places are all tables in a document with their keys.
local function places(value, found)
  if type(value) == "table" then
    for key, inner in pairs(value) do
      found[#found + 1] = { value, key }
      places(inner, found)
    end
  end
  return found
end

local function sorted(found)
  table.sort(found, function(a, b) return tostring(a[2]) < tostring(b[2]) end)
  return found
end

local function copy(value) return cjson.decode(cjson.encode({ value }))[1] end

-- bend changes one thing in a document.
local function bend(document)
  local found = sorted(places(document, {}))
  if #found == 0 then return end
  local place, other = found[random(#found)], found[random(#found)]
  local holder, key = place[1], place[2]
  local way = random(6)
  if way == 1 then
    holder[key] = nil
  elseif way == 2 then
    local name = STRANGE[random(11, 24)]
    holder[key], holder[name] = nil, holder[key]
  elseif way == 3 then
    holder[key] = copy(other[1][other[2]])
  else
    holder[key] = copy(STRANGE[random(#STRANGE)])
  end
end

-- tear breaks the text of a document.
local function tear(text)
  local at = random(#text)
  local way = random(3)
  if way == 1 then return text:sub(1, at) end
  local piece = way == 2 and string.char(random(0, 255)) or text:sub(at, at + random(40))
  local to = random(#text)
  return text:sub(1, to) .. piece .. text:sub(to + random(0, 3))
end

-- mutated is a document as it comes over the socket, or nil if it is no JSON.
local function mutated(state)
  local text = texts[random(#texts)]
  if random(3) == 1 then return state.decode(tear(text)) end
  local document = cjson.decode(text)
  for _ = 1, random(3) do bend(document) end
  local ok, encoded = pcall(cjson.encode, document)
  return ok and state.decode(encoded) or nil
end

spec("mutations: " .. COUNT .. " broken documents", function()
  math.randomseed(SEED)
  local state
  local counts = { applied = 0, refused = 0, torn = 0 }
  for n = 1, COUNT do
    if n % 50 == 1 then state = judge.fresh() end
    local document, how = mutated(state), "torn"
    if document then
      if random(4) > 1 then document.generation = state.generation() + 1 end
      local encodes, shown = pcall(cjson.encode, document) -- not, with a number that is none
      local ok, answer = pcall(judge.take, document)
      assert(ok, ("document %d of seed %d, %s: %s"):format(n, SEED, encodes and shown:sub(1, 2000) or "not shown", tostring(answer)))
      how = answer
    end
    counts[how] = counts[how] + 1
  end
  print(("      %d applied, %d refused, %d no JSON"):format(counts.applied, counts.refused, counts.torn))
  assert(counts.applied > COUNT / 50 and counts.refused > COUNT / 5)
end)
