-- round_robin_spec.lua: where the turn starts, how it goes round, and what a change of peers does to it.

local round_robin = require("balancer.round_robin")

local function peers(text)
  local list = {}
  for key in text:gmatch("%S") do list[#list + 1] = { key = key } end
  return list
end

local function take(ring, count)
  local out = {}
  for i = 1, count do out[i] = round_robin.balance(ring).key end
  return table.concat(out)
end

local function ring_of(text)
  local ring = round_robin.new()
  round_robin.sync(ring, peers(text))
  return ring
end

spec("round robin: the start is random", function()
  math.randomseed(3)
  local starts = {}
  for _ = 1, 200 do starts[take(ring_of("abcd"), 1)] = true end
  same(starts, { a = true, b = true, c = true, d = true })
end)

spec("round robin: everybody gets the same", function()
  local ring, counts = ring_of("abc"), {}
  for _ = 1, 300 do
    local key = round_robin.balance(ring).key
    counts[key] = (counts[key] or 0) + 1
  end
  same(counts, { a = 100, b = 100, c = 100 })
end)

spec("round robin: nobody is nobody", function()
  local ring = ring_of("")
  same(round_robin.balance(ring), nil)
  round_robin.sync(ring, peers("a"))
  same(take(ring, 2), "aa")
  round_robin.sync(ring, {})
  same(round_robin.balance(ring), nil)
end)

spec("round robin: a change of peers keeps the turn", function()
  for _ = 1, 20 do
    local ring = ring_of("abcd")
    repeat until round_robin.balance(ring).key == "a"
    round_robin.sync(ring, peers("xabcdy"))
    same(take(ring, 3), "bcd", "added")
    round_robin.sync(ring, peers("dcba"))
    same(take(ring, 1), ring.peers[4].key == "a" and "a" or "d", "reordered")
  end
  local ring = ring_of("abcd")
  repeat until round_robin.balance(ring).key == "a"
  round_robin.sync(ring, peers("acd"))
  same(take(ring, 3), "cda", "the next one left")
  round_robin.sync(ring, peers("xyz"))
  assert(("xyz"):find(take(ring, 1)), "all are new")
end)

spec("round robin: who was tried is passed over", function()
  local ring = ring_of("abc")
  repeat until round_robin.balance(ring).key == "c"
  same(round_robin.balance(ring, { a = 1 }).key, "b")
  same(round_robin.balance(ring, { a = 1, c = 1 }).key, "b")
  same(round_robin.balance(ring, { a = 1, b = 1, c = 1 }), nil)
  same(take(ring, 1), "c")
end)
