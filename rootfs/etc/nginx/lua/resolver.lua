-- resolver.lua finds the addresses of the DNS names that backends have. Each worker keeps what it found for
-- as long as the answer allows, and a little longer if DNS fails.
--
-- It never gives an address that a name must not lead to (address.refused), never asks twice at once for
-- one name, and never asks for a name that no request needs.

local lrucache = require("resty.lrucache")
local address = require("address")
local dns = require("dns")

local min, max = math.min, math.max

local MOST_NAMES = 1000 -- kept per worker
local SHORTEST, LONGEST = 1, 300 -- seconds an answer is kept, whatever its TTL says
local FAILURE = 1 -- seconds until a name that failed is asked for again
local GRACE = 5 -- seconds that requests use an old answer while it is being renewed
local KEPT = 60 -- seconds that the last addresses are used while DNS fails
local TRY, ROUNDS = 1, 2 -- seconds for one question to one server; times each server is asked
local PATIENCE = 10 -- seconds for one name with all that belongs to it

local M = {}

-- resolve gives {addresses, ttl} for a name, or nil and why not. ask(wire, kind) gives an answer as dns.parse
-- does, or nil if no server answered. Like glibc, a server's failure does not end the search, silence does.
function M.resolve(name, settings, ask)
  local own = address.set(settings.own_addresses or {})
  local problem = "no such name"
  local kinds = settings.ipv4_only and { dns.A } or { dns.A, dns.AAAA }
  for _, candidate in ipairs(dns.candidates(name, settings.search or {}, settings.ndots or 1)) do
    local wire = dns.encode_name(candidate)
    for _, kind in ipairs(wire and kinds or {}) do
      local answer = ask(wire, kind)
      if not answer then return nil, "no answer" end
      if #answer.addresses > 0 then
        local good = {}
        for _, bytes in ipairs(answer.addresses) do
          if not address.refused(bytes, own) then good[#good + 1] = bytes end
        end
        if #good == 0 then return nil, "its addresses are not allowed" end
        table.sort(good)
        return { addresses = good, ttl = max(SHORTEST, min(LONGEST, answer.ttl)) }
      end
      if answer.code ~= 0 then
        if answer.code ~= dns.NXDOMAIN then problem = "the DNS server failed" end
        break
      end
    end
  end
  return nil, problem
end

-- judge says what a request that needs this record does now: "use" its addresses, use them and "renew" them,
-- "wait" for new ones, or "fail".
function M.judge(record, now)
  local may_ask = now >= record.ask_at
  if record.addresses then
    if now < record.good_until then return "use" end
    if now < record.good_until + (record.failing and KEPT or GRACE) then return may_ask and "renew" or "use" end
  end
  return may_ask and "wait" or "fail"
end

local last_version = 0

local function same(a, b)
  if not a or #a ~= #b then return false end
  for i = 1, #a do
    if a[i] ~= b[i] then return false end
  end
  return true
end

-- settle notes in the record what resolve found.
function M.settle(record, found, problem, now)
  if found then
    if not same(record.addresses, found.addresses) then
      last_version = last_version + 1
      record.version, record.addresses = last_version, found.addresses
    end
    record.good_until, record.ask_at, record.failing = now + found.ttl, now + found.ttl, false
    return
  end
  if not record.failing then ngx.log(ngx.ERR, "cannot resolve ", record.name, ": ", problem) end
  record.failing, record.ask_at = true, now + FAILURE
end

local function split(server)
  local host, port = server:match("^(.*):(%d+)$")
  return host, tonumber(port)
end

local function ask_tcp(host, port, packet, id, wire, kind)
  local socket = ngx.socket.tcp()
  socket:settimeout(TRY * 1000)
  if not socket:connect(host, port) then return nil end
  local size = #packet
  socket:send(string.char(math.floor(size / 256), size % 256) .. packet)
  local prefix = socket:receive(2)
  local data
  if prefix then
    local high, low = prefix:byte(1, 2)
    data = socket:receive(high * 256 + low)
  end
  socket:close()
  return data and dns.parse(data, id, wire, kind)
end

local function ask_udp(host, port, packet, id, wire, kind)
  local socket = ngx.socket.udp()
  socket:settimeout(TRY * 1000)
  if not socket:setpeername(host, port) or not socket:send(packet) then return nil end
  local answer, problem
  local deadline = ngx.now() + TRY
  repeat
    local data = socket:receive(4096)
    if not data then break end
    answer, problem = dns.parse(data, id, wire, kind)
    -- What does not belong to the question may come from anybody: the answer may still be on its way.
    ngx.update_time()
  until problem ~= "foreign" or ngx.now() >= deadline
  socket:close()
  return answer
end

-- ask asks the servers in turn until one says something useful.
local function ask(servers, wire, kind, give_up_at)
  local failed
  for _ = 1, ROUNDS do
    for _, server in ipairs(servers) do
      if ngx.now() >= give_up_at then return failed end
      local host, port = split(server)
      local id = math.random(0, 65535)
      local packet = dns.query(id, wire, kind)
      local answer = ask_udp(host, port, packet, id, wire, kind)
      if answer and answer.truncated then answer = ask_tcp(host, port, packet, id, wire, kind) end
      if answer and not answer.truncated then
        if answer.code == 0 or answer.code == dns.NXDOMAIN then return answer end
        failed = answer
      end
    end
  end
  return failed
end

-- run resolves a record's name and wakes whoever waits for it.
local function run(_, record, settings)
  local give_up_at = ngx.now() + PATIENCE
  local ok, found, problem = pcall(M.resolve, record.name, settings, function(wire, kind)
    return ask(settings.nameservers or {}, wire, kind, give_up_at)
  end)
  if not ok then found, problem = nil, found end
  M.settle(record, found, problem, ngx.now())
  record.running = false
  local waiting = -record.done:count()
  if waiting > 0 then record.done:post(waiting) end
end

-- start has a record's name resolved, apart from any request: a client that leaves takes nobody's answer.
local function start(record, settings)
  if record.running then return end
  record.running = true
  local ok, problem = ngx.timer.at(0, run, record, settings())
  if not ok then
    record.running = false
    M.settle(record, nil, problem, ngx.now())
  end
end

local records = lrucache.new(MOST_NAMES)

-- ensure makes sure that addresses answers for a name as well as it can. It may wait.
function M.ensure(name, settings)
  local record = records:get(name)
  if not record then
    record = { name = name, good_until = 0, ask_at = 0, done = require("ngx.semaphore").new(0) }
    records:set(name, record)
  end
  local verdict = M.judge(record, ngx.now())
  if verdict == "wait" then
    start(record, settings)
    if record.running then record.done:wait(PATIENCE + ROUNDS * TRY) end
  elseif verdict == "renew" then
    start(record, settings)
  end
end

-- lookup gives {version, addresses} of a name as far as known, or nil. It never waits.
function M.lookup(name)
  local record = records:get(name)
  if not record or not record.addresses then return nil end
  if ngx.now() >= record.good_until + (record.failing and KEPT or GRACE) then return nil end
  return record
end

return M
