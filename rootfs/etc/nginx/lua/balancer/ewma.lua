-- ewma.lua takes the better of two peers at random: by how long they took to answer lately, times how many requests they
-- work on.
--
-- It is pure: tables in, a peer out. Each worker has what its own requests have shown: a twentieth of a microsecond per
-- request, where a shared dictionary took more than two.

local exp, max, random = math.exp, math.max, math.random

local DECAY = 10 -- seconds; what is older counts for a third

local M = {}

-- new makes a ring without peers.
function M.new() return { peers = {}, count = 0, records = {} } end

-- cost is what a record says now. Whoever has not been asked for long gets another chance.
local function cost(record, now) return record.seconds * exp((record.at - now) / DECAY) end

-- adopt says who all peers are. New ones start with the average, so that they do not get all requests until the first answer.
function M.adopt(ring, peers, now)
  local old, records, sum, known = ring.records, {}, 0, 0
  for _, record in pairs(old) do
    sum, known = sum + cost(record, now), known + 1
  end
  for i = 1, #peers do
    local key = peers[i].key
    records[key] = old[key] or { seconds = known > 0 and sum / known or 0, at = now, active = 0 }
  end
  ring.records = records
end

-- sync says which of them are to be used.
function M.sync(ring, peers) ring.peers, ring.count = peers, #peers end

-- is_busy tells whether some peer works on a request.
function M.is_busy(ring)
  for _, record in pairs(ring.records) do
    if record.active > 0 then return true end
  end
  return false
end

-- usable gives a peer that is not in tried at or behind a place, or nil.
local function usable(ring, at, tried)
  local peers, count = ring.peers, ring.count
  for _ = 1, count do
    local peer = peers[at]
    if not tried or not tried[peer.key] then return peer, at end
    at = at < count and at + 1 or 1
  end
  return nil
end

-- balance gives a peer that is not in tried (a set of keys, or nil), or nil if there is none.
function M.balance(ring, tried, now)
  local count = ring.count
  if count == 0 then return nil end
  local one, at = usable(ring, random(count), tried)
  if not one or count == 1 then return one end
  local other = usable(ring, (at + random(count - 1) - 1) % count + 1, tried)
  local a, b = ring.records[one.key], ring.records[other.key]
  local cost_a, cost_b = cost(a, now) * (a.active + 1), cost(b, now) * (b.active + 1)
  if cost_b < cost_a or (cost_b == cost_a and b.active < a.active) then return other end
  return one
end

-- start notes that a peer has got a request, and gives what finish takes.
function M.start(ring, peer)
  local record = ring.records[peer.key]
  if record then record.active = record.active + 1 end
  return record
end

-- finish notes that it is through with it: the seconds until it began to answer, or nil if that says nothing. A failure
-- never makes a peer look better: those are often fast.
function M.finish(record, seconds, has_failed, now)
  record.active = max(0, record.active - 1)
  if not seconds then return end
  local before = cost(record, now)
  if seconds < before then
    if has_failed then return end
    -- What a fast answer is worth grows with the time since the last one; a slow one counts at once.
    local weight = exp((record.at - now) / DECAY)
    seconds = record.seconds * weight + seconds * (1 - weight)
  end
  record.seconds, record.at = seconds, now
end

return M
