-- ewma_spec.lua: which of two peers is the better one.

local ewma = require("balancer.ewma")

local function peers(...)
  local list = {}
  for i, key in ipairs({ ... }) do list[i] = { key = key } end
  return list
end

local function ring_of(...)
  local ring, list = ewma.new(), peers(...)
  ewma.adopt(ring, list, 0)
  ewma.sync(ring, list)
  return ring
end

-- serve plays requests, so many at a time, each as long as its peer takes. It gives the counts by peer.
local function serve(ring, seconds, requests, at_a_time, from)
  local counts, busy, now = {}, {}, from or 0
  for _ = 1, requests do
    now = now + 0.001
    for i = #busy, 1, -1 do
      local flight = busy[i]
      if flight.ends <= now then
        ewma.finish(flight.record, flight.took, flight.failed, now)
        table.remove(busy, i)
      end
    end
    if #busy < at_a_time then
      local peer = ewma.balance(ring, nil, now)
      counts[peer.key] = (counts[peer.key] or 0) + 1
      local took = seconds[peer.key]
      busy[#busy + 1] = { record = ewma.start(ring, peer), took = took, ends = now + took }
    end
  end
  for _, flight in ipairs(busy) do ewma.finish(flight.record, flight.took, nil, now) end
  return counts, now
end

spec("ewma: of two peers the one that is ten times as fast gets nearly all", function()
  local counts = serve(ring_of("slow", "fast"), { slow = 0.1, fast = 0.01 }, 5000, 4)
  assert(counts.fast > 9 * counts.slow, ("fast has %d, slow %d"):format(counts.fast, counts.slow))
end)

spec("ewma: who was slow is tried again, and gets its share when it is fast", function()
  local ring = ring_of("a", "b")
  local _, now = serve(ring, { a = 0.1, b = 0.01 }, 1000, 1)
  local counts = serve(ring, { a = 0.01, b = 0.01 }, 100000, 1, now + 1)
  assert(counts.a > 2000, "it has " .. counts.a)
end)

spec("ewma: peers that are alike get about the same", function()
  local counts = serve(ring_of("a", "b", "c"), { a = 0.01, b = 0.01, c = 0.01 }, 30000, 30)
  for key, count in pairs(counts) do assert(count > 8000 and count < 12000, key .. " has " .. count) end
end)

spec("ewma: requests that are still worked on count", function()
  local ring = ring_of("a", "b")
  for _ = 1, 20 do ewma.start(ring, ewma.balance(ring, nil, 1)) end
  same(ring.records.a.active, 10)
  same(ring.records.b.active, 10)
end)

spec("ewma: a new peer starts with the average, and others keep what is known", function()
  local ring = ring_of("a", "b")
  ewma.finish(ewma.start(ring, { key = "a" }), 0.4, false, 0)
  ewma.finish(ewma.start(ring, { key = "b" }), 0.2, false, 0)
  local record = ewma.start(ring, { key = "a" })
  ewma.adopt(ring, peers("a", "c"), 0)
  same(("%.3f"):format(ring.records.c.seconds), "0.300")
  same(ring.records.a.seconds, 0.4)
  same(ring.records.b, nil)
  ewma.finish(record, nil, false, 0)
  same(ring.records.a.active, 0, "what was begun before the change")
end)

spec("ewma: a slow answer counts at once, a fast one bit by bit, a fast failure not at all", function()
  local ring = ring_of("a")
  local record = ring.records.a
  ewma.finish(record, 1, false, 0)
  same(record.seconds, 1)
  ewma.finish(record, 0.001, true, 1)
  same(record.seconds, 1)
  ewma.finish(record, 0, false, 1)
  assert(record.seconds > 0.9 and record.seconds < 0.91, record.seconds)
  ewma.finish(record, 2, true, 2)
  same(record.seconds, 2, "after a slow failure")
end)

spec("ewma: who was tried is not tried again", function()
  local ring = ring_of("a", "b", "c")
  for _ = 1, 50 do
    same(ewma.balance(ring, { a = 1, c = 1 }, 0).key, "b")
    assert(ewma.balance(ring, { a = 1 }, 0).key ~= "a")
    same(ewma.balance(ring, { a = 1, b = 1, c = 1 }, 0), nil)
  end
  same(ewma.balance(ewma.new(), nil, 0), nil)
end)
