-- turns_spec.lua: which backends have a short list, how long it holds, and whose turn it is.

local balancer = require("balancer")
local turns = require("balancer.turns")

local function pool_of(text, fields)
  local entry = { generation = 1, endpoints = {} }
  for n in text:gmatch("%d") do entry.endpoints[#entry.endpoints + 1] = { address = "10.0.0." .. n, port = 8000 + n } end
  for key, value in pairs(fields or {}) do entry[key] = value end
  local function resolved() return { version = 1, addresses = { "\10\0\0\9" } } end
  return balancer.make(entry, resolved, function() return 0 end, function(_, name) return name end)
end

local function take(list, count)
  local out = {}
  for i = 1, count do
    local address, port = turns.take(list)
    out[i] = address:match("%d$")
    same(port, 8000 + tonumber(out[i]))
  end
  return table.concat(out)
end

spec("turns: everybody in turn, from a random start", function()
  math.randomseed(3)
  local starts = {}
  for _ = 1, 100 do
    local got = take(turns.keep(turns.new(), "a", 1, pool_of("123")), 7)
    assert(("1231231231"):find(got, 1, true), got)
    starts[got:sub(1, 1)] = true
  end
  same(starts, { ["1"] = true, ["2"] = true, ["3"] = true })
end)

spec("turns: a list says how many others there are", function()
  for text, others in pairs({ ["1"] = 0, ["12"] = 1, ["12345"] = 4 }) do
    same(select(3, turns.take(turns.keep(turns.new(), "a", 1, pool_of(text)))), others)
  end
end)

spec("turns: a list holds for the generation that it was kept at, and no other name", function()
  local kept, pool = turns.new(), pool_of("12")
  local list = turns.keep(kept, "a", 5, pool)
  same(turns.of(kept, "a", 5) == list, true)
  same(turns.of(kept, "a", 6), nil)
  same(turns.of(kept, "a", 4), nil)
  same(turns.of(kept, "b", 5), nil)
end)

spec("turns: with the same pool they go on, with another they begin anew", function()
  local kept, pool = turns.new(), pool_of("123")
  local list = turns.keep(kept, "a", 1, pool)
  local first = take(list, 1)
  same(turns.keep(kept, "a", 2, pool) == list, true)
  assert(("12312"):find(first .. take(turns.of(kept, "a", 2), 2), 1, true))

  local other = pool_of("45")
  same(turns.pool(turns.keep(kept, "a", 3, other)) == other, true)
  assert(("4545"):find(take(turns.of(kept, "a", 3), 3), 1, true))
end)

spec("turns: there is no list where more has to be known than whose turn it is", function()
  local aside = pool_of("12")
  local failed = { state = "failed", status = 502, addresses = "10.0.0.1:8001", connect_times = "-", received = "0" }
  balancer.retry(aside, failed, 0)
  assert(aside.recheck)
  local pools = {
    ["no peers"] = pool_of(""),
    ["one is set aside"] = aside,
    ["a name"] = pool_of("1", { names = { { address = "name.test", port = 80 } } }),
    ["sessions"] = pool_of("12", { affinity = { key = "key", variable = "cookie_a" } }),
    ["a hash"] = pool_of("12", { hash_by = { key = {} } }),
    ["by cost"] = pool_of("12", { balance = "ewma" }),
  }
  for why, pool in pairs(pools) do
    local kept = turns.new()
    same(turns.keep(kept, "a", 1, pool), nil, why)
    same(turns.of(kept, "a", 1), nil, why)
  end
end)

spec("turns: what is forgotten is not there", function()
  local kept = turns.new()
  turns.keep(kept, "a", 1, pool_of("12"))
  turns.forget(kept, "a")
  same(turns.of(kept, "a", 1), nil)
end)

spec("turns: a bounded number of lists is kept, in the room that is reckoned with", function()
  local kept, pool = turns.new(), pool_of("12")
  collectgarbage()
  local before = collectgarbage("count")
  for n = 1, 50000 do turns.keep(kept, "team_service-" .. n .. "_80", 1, pool) end
  collectgarbage()
  local bytes = (collectgarbage("count") - before) * 1024
  assert(turns.of(kept, "team_service-50000_80", 1))
  assert(not turns.of(kept, "team_service-1_80", 1))
  assert(bytes < 2 ^ 20 * 1.6, bytes) -- two halves, and the names
end)
