-- recent_spec.lua: what is kept of what was used, and how much.

local recent = require("recent")

local function value(size) return { size = size } end

-- kept lists the keys of 1 to n that are there, without using them.
local function kept(recents, n)
  local out = {}
  for key = 1, n do
    if recents.young[key] or recents.old[key] then out[#out + 1] = key end
  end
  return out
end

spec("recent: what has not been used for as long as a half takes to fill is forgotten", function()
  local recents = recent.new(3)
  for key = 1, 6 do recent.put(recents, key, value(1)) end
  same(kept(recents, 6), { 1, 2, 3, 4, 5, 6 })
  assert(recent.get(recents, 2)) -- moves to another young half
  same(kept(recents, 6), { 2, 4, 5, 6 })
  same(recent.get(recents, 1), nil)
end)

spec("recent: a working set of a half is never forgotten, whatever passes by", function()
  local recents = recent.new(100)
  for key = 1, 50 do recent.put(recents, key, value(1)) end
  for key = 51, 5000 do
    recent.put(recents, key, value(1))
    if key % 25 == 0 then
      for own = 1, 50 do assert(recent.get(recents, own), own) end
    end
  end
  local count = #kept(recents, 5000)
  assert(count <= 200, count)
end)

spec("recent: another value of a key takes the place of the former, in either half", function()
  local recents = recent.new(10)
  for _ = 1, 100 do recent.put(recents, "a", value(4)) end
  recent.put(recents, "b", value(6))
  same({ recents.used, next(recents.old) }, { 10 })
  recent.put(recents, "c", value(1))
  local other = value(2)
  recent.put(recents, "a", other)
  assert(recent.get(recents, "a") == other)
  recent.drop(recents, "a")
  same(recent.get(recents, "a"), nil, "not even the one in the old half")
  same(recents.used, 1)
end)

spec("recent: what is larger than a half is kept, alone", function()
  local recents = recent.new(10)
  recent.put(recents, "a", value(100))
  recent.put(recents, "b", value(1))
  recent.put(recents, "c", value(1))
  assert(recents.old.a and not recents.young.a and recents.young.b and recents.young.c)
end)

spec("recent: what has to stay is kept as long as that, beside all else", function()
  local needed = { [1] = true, [2] = true }
  local recents = recent.new(3, function(kept_value) return needed[kept_value.key] end)
  for key = 1, 30 do recent.put(recents, key, { size = 1, key = key }) end
  same({ recents.young[1] and 1 or recents.old[1].key, #kept(recents, 30) <= 10 }, { 1, true })
  needed[1] = nil
  for key = 31, 60 do recent.put(recents, key, { size = 1, key = key }) end
  same(recent.get(recents, 1), nil)
  assert(recent.get(recents, 2))
end)
