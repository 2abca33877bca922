-- balancer.lua keeps the peers of each backend, chooses one for a try and sets aside those that do not
-- accept connections.
--
-- It is pure: what NGINX knows of earlier tries comes in as text, a peer goes out. It never decides
-- whether there is another try; NGINX does.

local address = require("address")
local round_robin = require("balancer.round_robin")

local find, sub = string.find, string.sub

local EJECTED_FOR = 10 -- seconds; then a peer gets one request, whatever it did before
local TRIAL = 6 -- seconds; if it has not failed by then, it gets its share. By default NGINX waits 5 for a connection

local M = {}

-- new makes the pool of a backend that has no peers yet.
function M.new()
  return {
    generation = nil, -- of the entry the peers were made from
    versions = {}, -- of the resolved names, in the order of the entry's names
    peers = {},
    count = 0,
    ring = round_robin.new(), -- over the peers that are not ejected
    ejected = nil, -- key of a peer to the time until which it is; nil as long as there is none
    trials = {}, -- keys of ejected peers that have been given a request, or will be with the next
    due = {}, -- the latter
    recheck = nil, -- the earliest time in ejected
  }
end

local function add(peers, present, bytes, port)
  local key = bytes .. ":" .. port
  if present[key] then return end
  present[key] = true
  peers[#peers + 1] = { key = key, address = address.for_nginx(bytes), port = port }
end

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

-- sync makes the peers anew and forgets ejections: whoever is listed now is meant to work.
function M.sync(pool, entry, resolved)
  local peers, present, versions = {}, {}, {}
  for _, endpoint in ipairs(entry.endpoints or {}) do
    add(peers, present, address.parse(endpoint.address), endpoint.port)
  end
  for i, name in ipairs(entry.names or {}) do
    local found = resolved(name.address)
    versions[i] = found and found.version
    for _, bytes in ipairs(found and found.addresses or {}) do
      add(peers, present, bytes, name.port)
    end
  end
  pool.generation, pool.versions = entry.generation, versions
  pool.peers, pool.count = peers, #peers
  pool.ejected, pool.trials, pool.due, pool.recheck = nil, {}, {}, nil
  round_robin.sync(pool.ring, peers)
end

-- settle gives the ring the peers that are not ejected at this time. One whose time is over is tried with a single request
-- first: should its machine be gone, only that one waits until the connection fails.
local function settle(pool, now)
  local usable, recheck = {}, nil
  for _, peer in ipairs(pool.peers) do
    local key = peer.key
    local out = pool.ejected[key]
    if out and out <= now then
      if pool.trials[key] then
        out, pool.trials[key] = nil, nil
      else
        out, pool.trials[key] = now + TRIAL, true
        pool.due[#pool.due + 1] = peer
      end
      pool.ejected[key] = out
    end
    if not out then
      usable[#usable + 1] = peer
    elseif not recheck or out < recheck then
      recheck = out
    end
  end
  if not recheck then pool.ejected = nil end
  pool.recheck = recheck
  round_robin.sync(pool.ring, #usable > 0 and usable or pool.peers)
end

local function eject(pool, key, now)
  pool.ejected = pool.ejected or {}
  pool.ejected[key], pool.trials[key] = now + EJECTED_FOR, nil
  settle(pool, now)
end

-- first gives the peer for a request's first try, or nil without peers. now is called only when needed.
function M.first(pool, now)
  local recheck = pool.recheck
  if recheck then
    local time = now()
    if time >= recheck then settle(pool, time) end
    local peer = table.remove(pool.due)
    if peer then return peer end
  end
  return round_robin.balance(pool.ring)
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

local function last_item(text)
  return last_group(text):match("([^ ,]*)$")
end

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

-- retry gives the peer for a further try: one this request has not tried, ejected ones last, or nil. failure says
-- how the last try went, in NGINX's words: state and status as from get_last_failure, and the values of
-- $upstream_addr, $upstream_connect_time, $upstream_bytes_received.
function M.retry(pool, failure, now)
  local counts, last = tried(failure.addresses)
  local connected = last_item(failure.connect_times)
  if failure.state == "failed" and connected == "-" and last then eject(pool, last, now) end

  local peer = round_robin.balance(pool.ring, counts)
  if peer then return peer end
  for _, other in ipairs(pool.peers) do
    if not counts[other.key] then return other end
  end

  -- The last peer answered with a status to try again for, and nobody is left. NGINX may have more tries to give
  -- than there are peers, and passes on no answer but the last: so that the client gets one of a peer, and not
  -- NGINX's 502, ask again.
  if failure.status ~= 502 and failure.status ~= 504 then
    local least
    for _, other in ipairs(pool.peers) do
      if not least or counts[other.key] < counts[least.key] then least = other end
    end
    return least
  end

  -- A kept-alive connection that its peer closes just then says nothing about the peer. NGINX grants a
  -- further try for it; as nobody else is left, that try goes to the same peer, once.
  local silent = failure.status == 502 and connected == "0.000" and last_item(failure.received) == "0"
  if not silent or counts[last] ~= 1 then return nil end
  for _, same in ipairs(pool.peers) do
    if same.key == last then return same end
  end
  return nil
end

return M
