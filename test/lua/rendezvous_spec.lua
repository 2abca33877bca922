-- rendezvous_spec.lua: which peer a key has, and what moves.

local rendezvous = require("balancer.rendezvous")

local function peers(n, without)
  local list = {}
  for i = 1, n do
    if i ~= without then list[#list + 1] = { key = "10.0." .. i % 7 .. "." .. i .. ":8080" } end
  end
  return list
end

-- owners gives the owner of each of many keys.
local function owners(list, subset)
  local out = {}
  for i = 1, 20000 do out[i] = rendezvous.choose(list, rendezvous.hash("/path/" .. i .. "?user=" .. i % 97), subset).key end
  return out
end

spec("rendezvous: keys are spread evenly", function()
  for _, n in ipairs({ 2, 3, 5, 10, 50 }) do
    local counts = {}
    for _, key in ipairs(owners(peers(n))) do counts[key] = (counts[key] or 0) + 1 end
    for _, peer in ipairs(peers(n)) do
      local part = (counts[peer.key] or 0) * n / 20000
      assert(part > 0.8 and part < 1.2, ("of %d peers one has %.2f of its share"):format(n, part))
    end
  end
end)

spec("rendezvous: when a peer goes only its keys move, and no more than 1.2 of its share", function()
  for _, n in ipairs({ 3, 5, 10 }) do
    local before = owners(peers(n))
    for gone = 1, n do
      local name, moved = peers(n)[gone].key, 0
      for i, owner in ipairs(owners(peers(n, gone))) do
        if owner ~= before[i] then
          moved = moved + 1
          same(before[i], name, "the former owner")
        end
      end
      assert(moved <= 1.2 * 20000 / n, ("%d of 20000 keys move when one of %d peers goes"):format(moved, n))
    end
  end
end)

spec("rendezvous: the order of peers does not matter", function()
  local list = peers(5)
  local reversed = {}
  for i = 5, 1, -1 do reversed[#reversed + 1] = { key = list[i].key } end
  same(owners(list), owners(reversed))
end)

spec("rendezvous: similar keys are spread, too", function()
  local list, counts = peers(4), {}
  for i = 1, 4000 do
    local peer = rendezvous.choose(list, rendezvous.hash(tostring(i)))
    counts[peer.key] = (counts[peer.key] or 0) + 1
  end
  for _, count in pairs(counts) do assert(count > 850 and count < 1150, "one peer has " .. count .. " of 4000 numbers") end
end)

spec("rendezvous: a key without its peer has a second choice, a third, and then nobody", function()
  local list, tried = peers(3), {}
  local key = rendezvous.hash("a")
  for _ = 1, 3 do
    local peer = rendezvous.choose(list, key, nil, tried)
    same(tried[peer.key], nil, "already tried")
    tried[peer.key] = 1
  end
  same(rendezvous.choose(list, key, nil, tried), nil)
  same(rendezvous.choose({}, key), nil)
end)

spec("rendezvous: a subset shares a key, and loses one member when that goes", function()
  local function members(list)
    local set, count = {}, 0
    for _ = 1, 200 do
      local peer = rendezvous.choose(list, rendezvous.hash("key"), 3)
      if not set[peer.key] then
        set[peer.key], count = true, count + 1
      end
    end
    return set, count
  end
  local list = peers(10)
  local before, count = members(list)
  same(count, 3)
  local gone = next(before)
  local rest = {}
  for _, peer in ipairs(list) do
    if peer.key ~= gone then rest[#rest + 1] = peer end
  end
  local after = members(rest)
  local kept = 0
  for key in pairs(after) do
    if before[key] then kept = kept + 1 end
  end
  same(kept, 2)
  same(select(2, members(peers(2))), 2)
  local tried = {}
  for _ = 1, 10 do tried[rendezvous.choose(list, rendezvous.hash("key"), 3, tried).key] = 1 end
  local n = 0
  for _ in pairs(tried) do n = n + 1 end
  same(n, 10, "peers tried one after the other")
end)
