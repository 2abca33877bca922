-- round_robin.lua takes peers in turn. The start is random, so that workers do not march in step.
--
-- It is pure: tables in, a peer out. It never knows which peers work, only which ones it was given.

local random = math.random

local M = {}

-- new makes a ring without peers.
function M.new()
  return { peers = {}, count = 0, next = 0 }
end

-- sync replaces the peers. Whoever would have been next still is; if it left, the one after it is.
function M.sync(ring, peers)
  local old, old_count, at = ring.peers, ring.count, ring.next
  local position = {}
  for i = 1, #peers do position[peers[i].key] = i end

  ring.peers, ring.count = peers, #peers
  ring.next = #peers > 0 and random(#peers) or 0
  for _ = 1, old_count do
    local i = position[old[at].key]
    if i then
      ring.next = i
      return
    end
    at = at < old_count and at + 1 or 1
  end
end

-- balance gives the next peer that is not in tried (a set of keys, or nil), or nil if there is none.
function M.balance(ring, tried)
  local peers, count, at = ring.peers, ring.count, ring.next
  for _ = 1, count do
    local peer = peers[at]
    at = at < count and at + 1 or 1
    if not tried or not tried[peer.key] then
      ring.next = at
      return peer
    end
  end
  return nil
end

return M
