-- ingress.lua holds what NGINX calls, phase by phase; the template has one line for each function.
--
-- It joins NGINX to the other files and decides nothing itself. route, rewrite and balance run for every request, so
-- but for retries, names, alternatives and new paths they make no table or closure.

local ffi = require("ffi")
require("resty.core")
local nginx = require("ngx.balancer")
local affinity = require("affinity")
local alternatives = require("alternatives")
local balancer = require("balancer")
local ewma = require("balancer.ewma")
local rendezvous = require("balancer.rendezvous")
local turns = require("balancer.turns")
local certificate = require("certificate")
local control = require("control")
local grpc = require("grpc")
local inquiry = require("inquiry")
local mirror = require("mirror")
local resolver = require("resolver")
local router = require("router")
local routes = require("routes")
local state = require("state")
local streams = require("streams")
local worker = require("worker")

local var, now = ngx.var, ngx.now
local exec, exit, log = ngx.exec, ngx.exit, ngx.log
local find_pattern, match_pattern, random = ngx.re.find, ngx.re.match, math.random
local byte, sub = string.byte, string.sub
local cast, get_request = ffi.cast, require("resty.core.base").get_request
local get_last_failure, set_current_peer = nginx.get_last_failure, nginx.set_current_peer
local set_more_tries = nginx.set_more_tries

-- NGX_BUSY: "no live upstreams", which NGINX answers with 502; ngx.ERROR would be 500.
local BUSY = -3

-- DEFAULT_BACKEND is the controller's own, which has an entry if there is one.
local DEFAULT_BACKEND = "upstream-default-backend"

local M = {}

M.clear_lookalikes = require("lookalikes").clear

-- init runs in the master process, before there are workers and again at each reload. shapes is the list of those that the
-- configuration has, in dynamic mode.
function M.init(path, shapes)
  routes.init(shapes or {})
  state.init(path)
end

local configuration -- that this worker runs

-- init_worker tells the controller which one that is. socket is where stream.js listens, nil without streams.
function M.init_worker(hash, socket)
  configuration = hash
  worker.begin()
  streams.init_worker(socket)
  local id = ngx.worker.id()
  if id then state.set_worker(id, ngx.worker.pid(), configuration, ngx.worker.count()) end
end

-- token is what cookies call a peer: nobody without the key can tell which it is.
local function token(key, text)
  return (sub(ngx.hmac_sha1(key, text), 1, 16):gsub(".", function(c) return ("%02x"):format(byte(c)) end))
end

-- find gives the pool of the backend of this request, up to date, or nil if NGINX is on its own.
local function find(entry)
  local pool = entry.pool
  if not pool or balancer.stale(pool, entry, resolver.lookup) then
    pool = balancer.make(entry, resolver.lookup, now, token, pool)
    entry.pool = pool
    if not entry.names then entry.endpoints = nil end -- the pool has them, and a changed entry comes with its own
  end
  return pool
end

state.keep_while(function(pool) return balancer.remembers(pool, now()) end)

local function request_number() return tonumber(cast("intptr_t", get_request())) end

-- What rewrite found, for balance: mostly both run for a request without a pause. It holds for this request
-- at this time only, so that a pause (a body to read, somebody to ask) has balance look again.
local found_for, found_at, found_pool, found_list = 0, 0, nil, nil

-- found notes a pool, and its list if it has one.
local function found(at, pool, list)
  found_for, found_at, found_pool, found_list = request_number(), at, pool, list
end

local short_lists = turns.new()

-- ready gives the pool of a backend after its names have been resolved, which may take a pause.
local function ready(entry)
  local names = entry.names
  if names then
    for i = 1, #names do resolver.ensure(names[i].address, state.settings) end
  end
  return find(entry)
end

-- find_in tells where a pattern is found in a text. Patterns are compiled once.
local function find_in(text, pattern)
  local from, _, problem = find_pattern(text, pattern, "jo")
  if problem then log(ngx.ERR, "a header pattern of an alternative to backend ", var.backend, ": ", problem) end
  return from, problem
end

-- pick gives the alternative in the list that takes the request, and its entry, or nil. A client that has a session stays with
-- it: a cookie of the location's own backend, or of an alternative, comes before all rules.
local function pick(entry, list)
  if entry.affinity and affinity.belongs(entry.affinity, var) then return nil end
  for i = 1, #list do
    local other = state.backend(list[i].backend)
    if other and other.affinity and affinity.belongs(other.affinity, var) then return list[i], other end
  end
  local alternative = alternatives.choose(list, var, find_in, random)
  return alternative, alternative and state.backend(alternative.backend)
end

-- divert sends the request to an alternative in the list, if one takes it and has endpoints, and gives the pool of
-- that. From then on $backend is the alternative, so that all tries of the request go there.
local function divert(own, list)
  local alternative, entry = pick(own, list)
  local pool = entry and ready(entry)
  if not pool or pool.count == 0 then
    var.proxy_alternative_upstream_name = "" -- an internal redirect may have left one there
    return nil
  end
  var.backend, var.proxy_alternative_upstream_name = alternative.backend, alternative.name
  local place = var.sluice_place
  if place then var.sluice_place = alternative.name .. place end -- it is counted apart
  return pool
end

-- say_goodbye asks a client to use its connection no more. NGINX closes idle connections without a word when it quits, and
-- what is on its way over them then is lost. NGINX says keep-alive as well, but close wins (RFC 9112 section 9.3). HTTP/2
-- has its own word for it.
local function say_goodbye()
  if not var.http_upgrade and ngx.req.http_version() < 2 then ngx.header["Connection"] = "close" end
end

-- search tells where a pattern of routes is found in a text. Those in use stay compiled.
local function search(text, pattern)
  local from, _, problem = find_pattern(text, pattern, "ijo")
  return from, problem
end

local REQUEST = {
  variables = var,
  escape = ngx.escape_uri,
  search = search,
  match = function(text, pattern) return match_pattern(text, pattern, "ijo") end,
}

-- fail answers 500 for a pattern that cannot be searched for, as NGINX does.
local function fail(problem)
  log(ngx.ERR, "a pattern of the routes: ", problem)
  return exit(ngx.HTTP_INTERNAL_SERVER_ERROR)
end

local function go(host, jump)
  local target = jump.target
  var.sluice_place = host.place
  if target then var.redirect_target = router.expand(target, nil, var) end
  return exec(jump.shape)
end

-- identify tells logs, headers and rewrite whose request it is. All variables are empty before; those that name objects are
-- read off $sluice_place.
local function identify(route)
  var.sluice_place = route.place
  if route.upstream_name then var.proxy_upstream_name = route.upstream_name end
  if route.is_exact_twin then var.path_type = "Exact" end
  if route.backend then var.backend = route.backend end
  if route.fallback then var.fallback = route.fallback end
end

-- too_large tells whether a request says itself that its body is longer than the route takes. NGINX answers such a request
-- without asking for the body.
local function too_large(route)
  local length = tonumber(var.http_content_length) -- $content_length would stay what it is before the body is read
  if not length or length <= route.limit then return false end
  ngx.req.clear_header("Expect")
  return true
end

-- replace gives the request the path and arguments of a rewrite, as NGINX's own rewrite does, and true if there is a path.
local function replace(rewrite, found)
  local path, arguments = router.rewritten(rewrite, found, var)
  if path == "" then
    log(ngx.ERR, "the rewritten path is empty")
    return false
  end
  for _, name in ipairs(rewrite.exports or {}) do
    if found[name] and found[name] ~= "" then var[name] = found[name] end
  end
  if rewrite.log then
    log(ngx.NOTICE, "rewritten: ", ngx.escape_uri(var.uri, 0), " to ", ngx.escape_uri(path, 0), arguments and "?" .. ngx.escape_uri(arguments, 0) or "")
  end
  ngx.req.set_uri(path, false, true) -- any bytes
  if arguments then var.args = arguments end -- as they are: set_uri_args would escape some bytes
  return true
end

-- host_of_request gives the entry for the name that the request asks for, or answers.
local function host_of_request(block)
  local host, label, problem = router.find_host(var.host, routes.within(block), routes.names, search)
  if problem then return fail(problem) end
  if not host then return exit(ngx.HTTP_SERVICE_UNAVAILABLE) end
  if label then var.subdomain = label end
  if host.server_name then var.routed_server_name = host.server_name end
  return host
end

-- prepare finds the pool for a request, of its backend or of an alternative among others that takes it, and gives false if the
-- backend has no endpoints. Without an entry NGINX is on its own: it has the endpoints of the upstream block, or answers 404.
local function prepare(name, others)
  local generation = state.current()
  if state.is_leaving(configuration) then say_goodbye() end
  local list = not others and turns.of(short_lists, name, generation)
  if list then
    found(now(), turns.pool(list), list)
    return true
  end
  local entry = state.backend(name)
  if not entry then return true end
  local pool = ready(entry)
  if pool.count == 0 then return false end
  local time = now() -- not after a pause in divert, so that balance looks again
  if entry.routes then others = alternatives.of_location(entry.routes, var) end
  if others then
    pool = divert(entry, others) or pool
  elseif not entry.routes then
    list = turns.keep(short_lists, name, generation, pool)
  end
  found(time, pool, list)
  return true
end

-- send_to says which backend gets the request. Logs have the name of the one that its route leads to, unless that is the default.
local function send_to(name)
  var.backend = name
  if name == DEFAULT_BACKEND then var.proxy_upstream_name = name end
end

-- use sends the request to a backend if that has endpoints, and tells whether it has.
local function use(name)
  local entry = name and name ~= "" and state.backend(name)
  local pool = entry and ready(entry)
  if not pool or pool.count == 0 then return false end
  send_to(name)
  found(now(), pool, nil)
  return true
end

-- fall_back sends a request whose backend has no endpoints to the one that its Ingress names for that, and tells it why.
local function fall_back()
  if not use(var.fallback) then return false end
  local set = ngx.req.set_header
  set("X-Code", "503")
  set("X-Format", var.http_accept)
  set("X-Namespace", var.namespace)
  set("X-Ingress-Name", var.ingress_name)
  set("X-Service-Name", var.service_name)
  set("X-Service-Port", var.service_port)
  return true
end

-- note tells logs that the answer is one for want of endpoints, and gives it.
local function note(answer) var.sluice_noted = "no-endpoints" return answer end

-- route sends a request to the shape that its host and path lead to. Where that passes requests on, it does what rewrite does.
function M.route(block)
  found_for = 0
  local host, path = host_of_request(block), var.uri
  local jump = host.all or (path == "/" and host.root)
  if jump then return go(host, jump) end
  local route, slash, problem = router.find_route(host, path, search)
  if problem then return fail(problem) end
  local either = route or slash
  if not either then
    var.sluice_place = host.place
    return exit(ngx.HTTP_NOT_FOUND)
  end
  if either.limit and too_large(either) then return exec(either.too_large) end
  if slash then return go(host, slash.slash) end
  identify(route)
  local shape, target, rewrite, found = router.decide(route, path, REQUEST)
  if not shape then return fail(target) end
  if target then var.redirect_target = target end
  if rewrite and not replace(rewrite, found) then return exec(rewrite.empty) end
  if shape == route.shape and (route.unavailable or route.late) then
    local ready_now = prepare(route.backend, route.alternatives) or fall_back()
    if not ready_now and route.unavailable then return exec(note(route.unavailable)) end
  end
  return exec(shape)
end

-- rewrite answers 503 for a backend without endpoints, the last moment at which that is possible in compiled mode, and decides
-- whether one that has some gets the request.
function M.rewrite()
  found_for = 0
  local name = var.backend
  if not name or name == "" then return end
  if not prepare(name) and not fall_back() then return exit(note(ngx.HTTP_SERVICE_UNAVAILABLE)) end
end

-- Statuses for which NGINX itself may give up on a body that it has not read to its end.
local UNREAD = { [400] = true, [408] = true, [413] = true }

-- error sends a request that came to an error, which $error_code has, to the service that answers in its place: the Ingress's,
-- else the controller's. Without endpoints of either it is 404. A request that says itself that its body is too large is
-- refused before anybody looks whose it is; then it is 413 in that case.
--
-- A request that somebody makes to find out whether another may pass keeps its status: no service may turn a refusal into leave.
function M.error()
  found_for = 0
  local code = tonumber(var.error_code)
  if ngx.is_subrequest then return exit(code) end
  ngx.status = ngx.HTTP_OK -- or the error would be the status whatever the service says
  if not use(var.fallback) and not use(DEFAULT_BACKEND) then
    send_to(DEFAULT_BACKEND)
    return exit((var.location_path or "") == "" and code or ngx.HTTP_NOT_FOUND)
  end
  if UNREAD[code] and not var.upstream_status then return exec("@error_without_body") end
end

-- grpc_error answers a call of gRPC with the status of gRPC for an error, which $error_code has, in trailers alone. What is no
-- call gets the error as it is.
function M.grpc_error()
  local code = tonumber(var.error_code)
  if ngx.is_subrequest or not grpc.is_call(var.http_content_type) then return exit(code) end
  local status, message = grpc.status(code)
  local header = ngx.header
  ngx.status = ngx.HTTP_OK
  header["Content-Type"], header["Content-Length"] = "application/grpc", 0
  header["grpc-status"], header["grpc-message"] = status, message
  ngx.send_headers()
  return exit(ngx.HTTP_OK)
end

-- look answers 503 for a backend without endpoints, in shapes with directives that may answer before.
function M.look()
  local entry = state.backend(var.backend)
  if entry and find(entry).count == 0 then return exit(note(ngx.HTTP_SERVICE_UNAVAILABLE)) end
end

local function failure(how, status)
  return {
    state = how,
    status = status,
    addresses = var.upstream_addr or "",
    connect_times = var.upstream_connect_time or "",
    received = var.upstream_bytes_received or "",
  }
end

local function expiry(seconds) return ngx.cookie_time(math.max(0, math.floor(now()) + seconds)) end

-- name_peer tells the client who its endpoint is, where an Ingress asks for that.
local function name_peer(session, peer)
  if not peer or not session.ingresses[(var.namespace or "") .. "/" .. (var.ingress_name or "")] then return end
  local text = affinity.text(session, peer.token, var, expiry)
  ngx.header["Set-Cookie"] = affinity.among(ngx.header["Set-Cookie"], text)
end

-- keep gives the peer of a client's session, or of a new one.
local function keep(pool, failed)
  local session = pool.affinity
  local value = var[session.variable]
  local peer, is_known, key
  if value and value ~= "" then
    local name, whose = affinity.read(session, value)
    if whose == "ours" then
      peer, is_known = balancer.by_token(pool, name, now)
    elseif whose ~= "lost" and not session.persistent then
      key, is_known = rendezvous.hash(value), true -- the client keeps the cookie
    end
  end
  local named = peer
  if failed then
    peer = balancer.retry(pool, failed, now(), key, named)
  else
    peer = named or balancer.first(pool, now, key)
  end
  local is_moved = session.change_on_failure and (failed or not key) and peer ~= named
  if not is_known or is_moved then name_peer(session, peer) end
  return peer
end

-- What peers work on, as far as they are chosen by that: records of ewma.lua by request. Requests that begin others would be
-- counted twice, so only they themselves are.
local flights, flying = {}, 0

-- land notes that a try is through.
local function land(number, has_failed)
  local record = flights[number]
  if not record then return end
  flights[number], flying = nil, flying - 1
  local seconds = tonumber(balancer.last_item(var.upstream_header_time or "")) -- a long answer is not a slow one
    or tonumber(balancer.last_item(var.upstream_response_time or ""))
  ewma.finish(record, seconds, has_failed, now())
end

local follows_cost = false

-- follow_cost is called in the master process if log is to be called for every request.
function M.follow_cost() follows_cost = true end

local function take_off(pool, peer)
  if not follows_cost then return end
  local number = request_number()
  land(number, true)
  local record = peer and not ngx.is_subrequest and ewma.start(pool.ring, peer)
  if record then flights[number], flying = record, flying + 1 end
end

-- choose gives the peer for one try.
local function choose(pool, failed)
  local peer
  if pool.affinity then
    peer = keep(pool, failed)
  else
    local hash_by = pool.hash_by
    local key = hash_by and rendezvous.hash(router.expand(hash_by.key, nil, var))
    if failed then peer = balancer.retry(pool, failed, now(), key) else peer = balancer.first(pool, now, key) end
  end
  if pool.by_cost then take_off(pool, peer) end
  return peer
end

-- connect makes NGINX try a peer, and others after it, as many as are given.
local function connect(address, port, others)
  if others > 0 then set_more_tries(others) end
  local ok, problem = set_current_peer(address, port)
  if ok then return end
  log(ngx.ERR, "cannot use a peer of backend ", var.backend, ": ", problem)
  return exit(BUSY)
end

-- try_again connects to another peer of the pool than those that have failed.
local function try_again(pool, failed)
  local peer = choose(pool, failed)
  if pool.recheck then turns.forget(short_lists, var.backend) end
  if not peer then return exit(BUSY) end
  return connect(peer.address, peer.port, 0)
end

-- balance chooses the peer for one try. Without an entry NGINX uses the servers in the upstream block.
function M.balance()
  local pool, list = found_pool, found_list
  if found_at ~= now() or found_for ~= request_number() then
    local name = var.backend
    if not name or name == "" then return end
    list = turns.of(short_lists, name, state.current())
    local entry = not list and state.backend(name)
    if not list and not entry then return end
    pool = list and turns.pool(list) or find(entry)
  end
  local how, status = get_last_failure()
  if how then return try_again(pool, failure(how, status)) end
  if list then return connect(turns.take(list)) end
  local peer = choose(pool)
  if not peer then return exit(BUSY) end
  return connect(peer.address, peer.port, peer.sessions_only and pool.count or pool.count - 1)
end

-- adopt makes a subrequest know what its client asked for. inquire, balance_inquiry and mirror end it.
M.adopt, M.inquire, M.balance_inquiry, M.mirror = inquiry.adopt, inquiry.ask, inquiry.balance, mirror.copy

-- log notes how long the last try of a request took, where that decides on others; see follow_cost.
function M.log()
  if flying == 0 then return end
  local status = tonumber(balancer.last_item(var.upstream_status or ""))
  land(request_number(), not status or status >= 500)
end

-- certificate sets the certificate for a TLS connection; default is as for certificate.serve.
function M.certificate(default) certificate.serve(default) end

-- certificate_of_known_name does so for names that there are routes for, in one of these server blocks, and ends the
-- handshake with who asks for others.
function M.certificate_of_known_name(blocks, default)
  local name = certificate.asked_for()
  for _, block in ipairs(name and blocks or {}) do
    local host_in = routes.within(block)
    local host = router.find_host(name, host_in, routes.names, search)
    if host and host ~= host_in("_") then return certificate.serve(default) end
  end
  return exit(ngx.ERROR)
end

-- control answers the controller.
function M.control() control.serve() end

return M
