-- balancer_spec.lua: peers of a backend, retries, ejection.

local address = require("address")
local balancer = require("balancer")

local function nothing() return nil end

local function entry_of(generation, ...)
  local endpoints = {}
  for i, text in ipairs({ ... }) do endpoints[i] = { address = text, port = 80 } end
  return { generation = generation, endpoints = endpoints }
end

local function pool_of(...)
  return balancer.make(entry_of(1, ...), nothing)
end

local function at(time) return function() return time end end

local function first(pool, time)
  local peer = balancer.first(pool, at(time or 0))
  return peer and peer.address
end

-- retry tries again after the tries in addresses, by default each one refused.
local function retry(pool, addresses, change, time)
  local failure = {
    state = "failed", status = 502, addresses = addresses .. " : ",
    connect_times = addresses:gsub("[^,: ]+[^, ]*", "-") .. " : ", received = "0 : ",
  }
  for key, value in pairs(change or {}) do failure[key] = value end
  local peer = balancer.retry(pool, failure, time or 0)
  return peer and peer.address
end

spec("balancer: endpoints become peers, once each, in NGINX's form", function()
  local pool = pool_of("10.0.0.1", "::1", "0:0::1", "10.0.0.1")
  same(pool.count, 2)
  same(pool.peers[1].address, "10.0.0.1")
  same(pool.peers[2].address, "[::1]")
  same(pool.peers[2].port, 80)
end)

spec("balancer: names become peers, and are followed", function()
  local found = { version = 1, addresses = { address.parse("10.0.0.1"), address.parse("10.0.0.2") } }
  local function resolved(name) return name == "db.example.com" and found or nil end
  local entry = { generation = 1, names = { { address = "db.example.com", port = 81 }, { address = "x", port = 82 } } }
  local pool = balancer.make(entry, resolved)
  same(pool.count, 2)
  same(pool.peers[2].port, 81)
  same(balancer.stale(pool, entry, resolved), false)
  found = { version = 2, addresses = { address.parse("10.0.0.3") } }
  same(balancer.stale(pool, entry, resolved), true)
  pool = balancer.make(entry, resolved, nil, nil, pool)
  same(first(pool), "10.0.0.3")
  found = nil
  same(balancer.stale(pool, entry, resolved), true)
  pool = balancer.make(entry, resolved, nil, nil, pool)
  same(first(pool), nil)
  same(balancer.stale(pool, entry, resolved), false)
end)

spec("balancer: a retry goes to somebody else", function()
  for _ = 1, 50 do
    local pool = pool_of("10.0.0.1", "10.0.0.2", "::3")
    same(retry(pool, "10.0.0.1:80, 10.0.0.2:80", { connect_times = "0.001, 0.001 : " }), "[::3]")
    same(retry(pool, "[::3]:80, 10.0.0.2:80", { connect_times = "0.001, 0.001 : " }), "10.0.0.1")
  end
end)

spec("balancer: only the tries since the last redirect count", function()
  local pool = pool_of("10.0.0.1", "10.0.0.2")
  same(retry(pool, "10.0.0.1:80, 10.0.0.2:80 : 10.0.0.2:80"), "10.0.0.1")
  same(retry(pool, "10.0.0.1:80 : 10.0.0.1:80, 10.0.0.2:80"), nil)
end)

spec("balancer: other ports are other peers", function()
  local pool = pool_of("10.0.0.1")
  same(retry(pool, "10.0.0.1:81"), "10.0.0.1")
end)

spec("balancer: after everybody there is nobody", function()
  same(retry(pool_of("10.0.0.1"), "10.0.0.1:80"), nil)
  same(retry(pool_of(), "10.0.0.1:80"), nil)
  same(retry(pool_of("10.0.0.1"), "unix:/x"), "10.0.0.1")
  same(retry(pool_of("10.0.0.1"), ""), "10.0.0.1")
end)

spec("balancer: after everybody has answered with a status to try again for, everybody is asked again", function()
  local answered = { status = 503, connect_times = "0.000, 0.000 : ", received = "170, 170 : " }
  local pool = pool_of("10.0.0.1", "10.0.0.2")
  same(retry(pool, "10.0.0.1:80", answered), "10.0.0.2")
  same(retry(pool, "10.0.0.2:80, 10.0.0.1:80, 10.0.0.2:80", answered), "10.0.0.1")
  same(retry(pool, "10.0.0.1:80, 10.0.0.2:80, 10.0.0.1:80", answered), "10.0.0.2")
  same(pool.ejected, nil)
  same(retry(pool_of(), "10.0.0.1:80", answered), nil)
end)

spec("balancer: after everybody was too slow, somebody is asked again", function()
  local slow = { status = 504, connect_times = "0.000, 0.000 : ", received = "0, 0 : " }
  local pool = pool_of("10.0.0.1", "10.0.0.2")
  same(retry(pool, "10.0.0.1:80, 10.0.0.2:80", slow) ~= nil, true)
  same(retry(pool, "10.0.0.2:80, 10.0.0.1:80, 10.0.0.2:80", slow), "10.0.0.1")
  same(retry(pool_of("10.0.0.1"), "10.0.0.1:80", slow), "10.0.0.1")
end)

spec("balancer: a kept-alive connection that was closed costs its peer nothing", function()
  local silent = { connect_times = "0.000 : ", received = "0 : " }
  local pool = pool_of("10.0.0.1")
  same(retry(pool, "10.0.0.1:80", silent), "10.0.0.1")
  same(retry(pool, "10.0.0.1:80, 10.0.0.1:80", silent), nil)
  same(retry(pool, "10.0.0.1:80", { connect_times = "0.000 : ", received = "17 : " }), nil)
  same(retry(pool_of("10.0.0.1", "10.0.0.2"), "10.0.0.1:80", silent), "10.0.0.2")
  same(pool.ejected, nil)
end)

spec("balancer: who does not accept a connection is set aside, and comes back", function()
  local pool = pool_of("10.0.0.1", "10.0.0.2", "10.0.0.3")
  retry(pool, "10.0.0.1:80", nil, 100)
  local counts = {}
  for _ = 1, 100 do
    local peer = first(pool, 109)
    counts[peer] = (counts[peer] or 0) + 1
  end
  same(counts, { ["10.0.0.2"] = 50, ["10.0.0.3"] = 50 })
  first(pool, 110)
  local seen = {}
  for _ = 1, 3 do seen[first(pool, 116)] = true end
  same(seen["10.0.0.1"], true)
  same(pool.ejected, nil)
end)

spec("balancer: who comes back gets one request first, and no more if that fails", function()
  local pool = pool_of("10.0.0.1", "10.0.0.2")
  retry(pool, "10.0.0.1:80", nil, 100)
  same(first(pool, 110), "10.0.0.1")
  for _ = 1, 9 do same(first(pool, 115), "10.0.0.2") end
  retry(pool, "10.0.0.1:80", nil, 115) -- it took its time to fail
  for _ = 1, 9 do same(first(pool, 124), "10.0.0.2") end
  same(first(pool, 125), "10.0.0.1")
  for _ = 1, 9 do same(first(pool, 130), "10.0.0.2") end
  local seen = {}
  for _ = 1, 2 do seen[first(pool, 131)] = true end
  same(seen, { ["10.0.0.1"] = true, ["10.0.0.2"] = true })
end)

spec("balancer: each comes back in its own time", function()
  local pool = pool_of("10.0.0.1", "10.0.0.2", "10.0.0.3")
  retry(pool, "10.0.0.1:80", nil, 100)
  retry(pool, "10.0.0.2:80", nil, 105)
  for _ = 1, 9 do same(first(pool, 109), "10.0.0.3") end
  for _ = 1, 9 do assert(first(pool, 112) ~= "10.0.0.2") end
  local seen = {}
  for _ = 1, 3 do seen[first(pool, 115)] = true end
  same(seen["10.0.0.2"], true)
end)

spec("balancer: the last one left is never set aside", function()
  local pool = pool_of("10.0.0.1", "10.0.0.2")
  retry(pool, "10.0.0.1:80", nil, 100)
  same(retry(pool, "10.0.0.2:80", nil, 101), "10.0.0.1")
  local seen = {}
  for _ = 1, 4 do seen[first(pool, 102)] = true end
  same(seen, { ["10.0.0.1"] = true, ["10.0.0.2"] = true })
end)

spec("balancer: a new entry forgets who was set aside", function()
  local pool = pool_of("10.0.0.1", "10.0.0.2")
  retry(pool, "10.0.0.1:80", nil, 100)
  pool = balancer.make(entry_of(2, "10.0.0.1", "10.0.0.2"), nothing, nil, nil, pool)
  local seen = {}
  for _ = 1, 2 do seen[first(pool, 101)] = true end
  same(seen["10.0.0.1"], true)
end)

spec("balancer: an answer, even a bad one, sets nobody aside", function()
  local pool = pool_of("10.0.0.1", "10.0.0.2")
  retry(pool, "10.0.0.1:80", { connect_times = "0.001 : " }, 100)
  same(pool.ejected, nil)
  retry(pool, "10.0.0.1:80", { state = "next" }, 100)
  same(pool.ejected, nil)
end)
