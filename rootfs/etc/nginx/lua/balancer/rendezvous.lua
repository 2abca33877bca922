-- rendezvous.lua gives each key a peer of its own: the one with the highest score for it (highest random weight, Thaler and
-- Ravishankar 1998). When a peer goes, its keys and no others move; when one comes, it takes its share and nothing else.
--
-- It is pure. A score depends on key and peer alone, so all workers and replicas agree, whatever else they have seen.

local bit = require("bit")

local band, bxor, lshift, rshift, tobit = bit.band, bit.bxor, bit.lshift, bit.rshift, bit.tobit
local byte, random = string.byte, math.random

local M = {}

-- hash makes a number of a text (Jenkins, one at a time).
function M.hash(text)
  local h = 0
  for i = 1, #text do
    h = tobit(h + byte(text, i))
    h = tobit(h + lshift(h, 10))
    h = bxor(h, rshift(h, 6))
  end
  h = tobit(h + lshift(h, 3))
  h = bxor(h, rshift(h, 11))
  return tobit(h + lshift(h, 15))
end

-- mix spreads each bit of a number over all others (Jenkins, 32 bits).
local function mix(h)
  h = tobit(tobit(h + 0x7ed55d16) + lshift(h, 12))
  h = bxor(bxor(h, 0xc761c23c), rshift(h, 19))
  h = tobit(tobit(h + 0x165667b1) + lshift(h, 5))
  h = bxor(tobit(h + 0xd3a2646c), lshift(h, 9))
  h = tobit(tobit(h + 0xfd7046c5) + lshift(h, 3))
  return bxor(bxor(h, 0xb55a4f09), rshift(h, 16))
end

local function score(peer, key)
  local number = peer.hash
  if not number then
    number = M.hash(peer.key)
    peer.hash = number
  end
  return band(mix(bxor(key, number)), 0x7fffffff)
end

-- best gives the peer with the highest score for a mixed key, of those that are not in the sets (of keys, or nil), or nil.
local function best(peers, key, tried, taken)
  local found, highest = nil, -1
  for i = 1, #peers do
    local peer = peers[i]
    local name = peer.key
    if not (tried and tried[name]) and not (taken and taken[name]) then
      local own = score(peer, key)
      if own > highest or (own == highest and name < found.key) then found, highest = peer, own end
    end
  end
  return found
end

-- choose gives the peer for a key (a number, see hash) that is not in tried (a set of peers' keys, or nil), or nil if there is none. With a
-- subset, it is one of that many with the highest scores, at random.
function M.choose(peers, key, subset, tried)
  key = mix(key)
  if not subset or subset < 2 then return best(peers, key, tried) end
  local members, taken = {}, {}
  for i = 1, math.min(subset, #peers) do
    local member = best(peers, key, nil, taken)
    members[i], taken[member.key] = member, true
  end
  local untried = {}
  for _, member in ipairs(members) do
    if not tried or not tried[member.key] then untried[#untried + 1] = member end
  end
  if #untried > 0 then return untried[random(#untried)] end
  return best(peers, key, tried)
end

return M
