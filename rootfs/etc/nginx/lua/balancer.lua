-- balancer.lua keeps the peers of each backend, chooses one for a try and sets aside those that do not
-- accept connections.
--
-- It is pure: what NGINX knows of earlier tries comes in as text, a peer goes out. It never decides
-- whether there is another try; NGINX does.

local address = require("address")
local ewma = require("balancer.ewma")
local rendezvous = require("balancer.rendezvous")
local round_robin = require("balancer.round_robin")

local find, sub = string.find, string.sub

local EJECTED_FOR = 10 -- seconds; then a peer gets one request, whatever it did before
local TRIAL = 6 -- seconds; if it has not failed by then, it gets its share. By default NGINX waits 5 for a connection

local M = {}

-- stale tells whether the pool was made from something else than this entry and these resolved names.
-- resolved(name) gives {version, addresses}, or nil for a name that has no address.
function M.stale(pool, entry, resolved)
  if pool.generation ~= entry.generation then return true end
  local names = entry.names
  if names then
    for i = 1, #names do
      local found = resolved(names[i].address)
      if pool.versions[i] ~= (found and found.version) then return true end
    end
  end
  return false
end

local function add(list, present, bytes, port, sessions_only)
  local key = bytes .. ":" .. port
  if present[key] then return end
  present[key] = true
  list[#list + 1] = { key = key, address = address.for_nginx(bytes), port = port, sessions_only = sessions_only or nil }
end

-- listed gives all that the entry lists, and the versions of the names, nil without names.
local function listed(entry, resolved)
  local list, present, versions = {}, {}, entry.names and {}
  for _, endpoint in ipairs(entry.endpoints or {}) do
    add(list, present, address.parse(endpoint.address), endpoint.port, endpoint.sessions_only)
  end
  for i, name in ipairs(entry.names or {}) do
    local found = resolved(name.address)
    versions[i] = found and found.version
    for _, bytes in ipairs(found and found.addresses or {}) do
      add(list, present, bytes, name.port)
    end
  end
  return list, versions
end

-- for_all gives the peers that are not only for their sessions: the list itself, if that are all.
local function for_all(list)
  local peers = {}
  for _, peer in ipairs(list) do
    if not peer.sessions_only then peers[#peers + 1] = peer end
  end
  return #peers < #list and peers or list
end

-- named gives peers by the tokens that cookies have.
local function named(peers, key, token)
  local by_token = {}
  for _, peer in ipairs(peers) do
    peer.token = token(key, peer.address .. ":" .. peer.port)
    by_token[peer.token] = peer
  end
  return by_token
end

-- ring_of gives the ring of a former pool, or nil, if that was balanced in this way; else a new one.
local function ring_of(former, by_cost)
  if former and former.by_cost == by_cost then return former.ring end
  return by_cost and ewma.new() or round_robin.new()
end

local function sync_ring(pool, peers)
  if pool.by_cost then return ewma.sync(pool.ring, peers) end
  return round_robin.sync(pool.ring, peers)
end

-- make gives the pool of a backend that has an entry. former is the one it had, or nil: what that has shown of peers stays, but
-- ejections are forgotten, as whoever is listed now is meant to work. token(key, text) gives the token of a cookie.
--
-- There are many pools, so most have no more than the first seven fields: a table of eight takes half of one of nine.
function M.make(entry, resolved, now, token, former)
  local list, versions = listed(entry, resolved)
  local peers, by_cost = for_all(list), entry.balance == "ewma"
  local pool = {
    generation = entry.generation,
    all = list, -- the peers and those that only get the requests of their sessions
    peers = peers,
    count = #peers,
    by_cost = by_cost, -- the ring is one of ewma.lua
    ring = ring_of(former, by_cost), -- over the peers that are not ejected
    is_plain = not (by_cost or entry.affinity or entry.hash_by), -- requests are all alike
  }
  if versions then pool.versions = versions end -- of the resolved names, in the order of the entry's names
  if entry.affinity then
    pool.affinity = entry.affinity
    pool.named = named(list, entry.affinity.key, token) -- all by the tokens that cookies have
  elseif entry.hash_by then
    pool.hash_by = entry.hash_by
  end
  if by_cost then ewma.adopt(pool.ring, list, now()) end
  sync_ring(pool, peers)
  return pool
end

-- remembers tells whether a pool knows of its peers what requests would find out again at a cost: that some do not
-- work, or have requests to work on.
function M.remembers(pool, now)
  for _, out in pairs(pool.ejected or {}) do
    if out > now then return true end
  end
  return pool.by_cost and ewma.is_busy(pool.ring)
end

-- settle gives the ring the peers that are not ejected at this time. One whose time is over is tried with a single request
-- first: should its machine be gone, only that one waits until the connection fails.
local function settle(pool, now)
  local usable, recheck = {}, nil
  for _, peer in ipairs(pool.all) do
    local key = peer.key
    local out = pool.ejected[key]
    if out and out <= now then
      if pool.trials[key] or peer.sessions_only then
        out, pool.trials[key] = nil, nil
      else
        out, pool.trials[key] = now + TRIAL, true
        pool.due[#pool.due + 1] = peer
      end
      pool.ejected[key] = out
    end
    if out then
      if not recheck or out < recheck then recheck = out end
    elseif not peer.sessions_only then
      usable[#usable + 1] = peer
    end
  end
  if not recheck then pool.ejected = nil end
  pool.recheck = recheck -- the earliest time in ejected
  sync_ring(pool, #usable > 0 and usable or pool.peers)
end

local function eject(pool, key, now)
  if not pool.ejected then
    pool.ejected = {} -- key of a peer to the time until which it is
    pool.trials = pool.trials or {} -- keys of ejected peers that have been given a request, or will be with the next
    pool.due = pool.due or {} -- the latter
  end
  pool.ejected[key], pool.trials[key] = now + EJECTED_FOR, nil
  settle(pool, now)
end

-- take_due gives back a peer whose trial is due, and now it has it; nil if it is not.
local function take_due(pool, peer)
  for i, other in ipairs(pool.due) do
    if other == peer then return table.remove(pool.due, i) end
  end
  return nil
end

-- trial gives a peer that is to be tried with one request: one of the key's own, if there is a key.
local function trial(pool, key)
  if #pool.due == 0 then return nil end
  if not key then return table.remove(pool.due) end
  return take_due(pool, rendezvous.choose(pool.peers, key, pool.hash_by and pool.hash_by.subset))
end

-- next_peer gives one that is not in tried, a set or nil.
local function next_peer(pool, tried, now, key)
  if key then return rendezvous.choose(pool.ring.peers, key, pool.hash_by and pool.hash_by.subset, tried) end
  return ewma.balance(pool.ring, tried, now)
end

-- first gives the peer for a request's first try, or nil without peers. now is called only when needed. key is a number that
-- requests for the same peer have in common, or nil.
function M.first(pool, now, key)
  local recheck = pool.recheck
  if recheck then
    local time = now()
    if time >= recheck then settle(pool, time) end
    local peer = trial(pool, key)
    if peer then return peer end
  end
  if key or pool.by_cost then return next_peer(pool, nil, now(), key) end
  return round_robin.balance(pool.ring)
end

-- by_token gives the peer that a cookie names, if it can be asked, and whether there is one.
function M.by_token(pool, token, now)
  local peer = pool.named[token]
  if not peer then return nil, false end
  local recheck = pool.recheck
  if recheck then
    local time = now()
    if time >= recheck then settle(pool, time) end
    if pool.ejected and pool.ejected[peer.key] and not take_due(pool, peer) then return nil, true end
  end
  return peer, true
end

-- last_group cuts a list that NGINX keeps per try ("a, b : c") to the group after the last internal
-- redirect. The try that is being prepared has no address yet, so the text ends in a separator.
local function last_group(text)
  if sub(text, -3) == " : " then text = sub(text, 1, -4) end
  local from = 1
  while true do
    local at, to = find(text, " : ", from, true)
    if not at then return sub(text, from) end
    from = to + 1
  end
end

-- last_item gives the last value of such a list.
local function last_item(text)
  return last_group(text):match("([^ ,]*)$")
end
M.last_item = last_item

-- tried reads $upstream_addr: how often each peer was tried in this request, and the key of the last.
local function tried(addresses)
  local counts, last = {}, nil
  for item in last_group(addresses):gmatch("[^, ]+") do
    local host, port = item:match("^%[?(.-)%]?:(%d+)$")
    local bytes = host and address.parse(host)
    if bytes then
      last = bytes .. ":" .. port
      counts[last] = (counts[last] or 0) + 1
    end
  end
  return counts, last
end

-- silent tells whether the last try ended as when its peer closes a kept-alive connection just then: that says nothing about
-- the peer. NGINX grants a further try for it.
local function silent(failure, counts, last)
  return failure.status == 502 and last_item(failure.connect_times) == "0.000" and last_item(failure.received) == "0" and counts[last] == 1
end

-- anybody gives a peer when the request has tried all: so that the client gets an answer of a peer, or the 504 that says that
-- peers are slow, and not NGINX's 502.
local function anybody(pool, failure, counts, last)
  -- The last peer answered with a status to try again for, or was too slow. NGINX may have more tries to give than there are
  -- peers, and tells the client of none but the last.
  if failure.status ~= 502 then
    local least
    for _, other in ipairs(pool.peers) do
      if not least or (counts[other.key] or 0) < (counts[least.key] or 0) then least = other end
    end
    return least
  end
  if not silent(failure, counts, last) then return nil end
  for _, same in ipairs(pool.all) do
    if same.key == last then return same end
  end
  return nil
end

-- retry gives the peer for a further try: one this request has not tried, ejected ones last, or nil. failure says
-- how the last try went, in NGINX's words: state and status as from get_last_failure, and the values of
-- $upstream_addr, $upstream_connect_time, $upstream_bytes_received. key is as for first; named is the peer that the client's
-- cookie names, or nil: should it just have closed a kept-alive connection, it gets the further try.
function M.retry(pool, failure, now, key, named)
  local counts, last = tried(failure.addresses)
  if failure.state == "failed" and last_item(failure.connect_times) == "-" and last then eject(pool, last, now) end
  if named and last == named.key and silent(failure, counts, last) then return named end

  local peer
  if key or pool.by_cost then peer = next_peer(pool, counts, now, key) else peer = round_robin.balance(pool.ring, counts) end
  if peer then return peer end
  for _, other in ipairs(pool.peers) do
    if not counts[other.key] then return other end
  end
  return anybody(pool, failure, counts, last)
end

return M
