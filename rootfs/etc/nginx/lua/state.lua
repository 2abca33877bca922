-- state.lua holds what may change without a reload: it applies updates to the shared dictionaries and gives
-- each worker what it asks for. There is one entry per backend, certificate and host, and per name that has routes.
--
-- It never tells workers that something changed. The generation of the last update is in the dictionary, a
-- worker reads it at each request, and on a new one it compares the generation of the entry it needs.

local cjson = require("cjson").new()
local dictionary = require("dictionary")
local recent = require("recent")
local routes = require("routes")
local updates = require("update")

local shared = ngx.shared.sluice_state
local certificates = ngx.shared.sluice_certificates

local HOST, WORKER = "host:", "worker:" -- keys of the state dictionary
local STAPLE = "staple:" -- keys of the dictionary of certificates, where those have none
local APPLYING_AT_MOST = 30 -- seconds; then whoever holds the lock is dead
local HALF = 3 * 2 ^ 20 -- bytes in a half of what a worker keeps of backends
local SMALLEST, GROWTH = 700, 6 -- bytes that a backend takes there with its pool: each, and for a byte of its text

local M = {}

local put, current = dictionary.put, dictionary.current
local stored = dictionary.kind("backend", "backends")

-- write_state stores all but certificates: backends before the routes that lead to them, and these before the names
-- that are patterns.
local function write_state(update)
  local problem = update.settings and put(shared, "settings", cjson.encode(update.settings))
  if problem then return problem end
  for host, id in pairs(update.hosts) do
    problem = put(shared, HOST .. host, id)
    if problem then return problem end
  end
  for name, backend in pairs(update.backends) do
    problem = stored.put(name, cjson.encode(backend), update.generation)
    if problem then return problem end
  end
  for key, text in pairs(update.routes) do
    problem = routes.put(key, text, update.generation)
    if problem then return problem end
  end
  return update.names and routes.put_names(update.names, update.generation)
end

-- write_staples stores what issuers say of certificates, for as long as it holds. One that does not fit is none: clients do without.
local function write_staples(staples)
  for id, staple in pairs(staples) do
    local left, response = staple["until"] - ngx.now(), ngx.decode_base64(staple.response)
    if left > 0 and response then
      local ok, problem = certificates:safe_set(STAPLE .. id, response, left)
      if not ok then ngx.log(ngx.ERR, "what is said of certificate ", id, " is not kept: ", problem) end
    else
      certificates:delete(STAPLE .. id)
    end
  end
end

-- write stores what the update brings, certificates before the hosts that need them.
local function write(update)
  for id, pair in pairs(update.certificates) do
    local text = cjson.encode({ certificate = pair.certificate, key = pair.key })
    local problem = put(certificates, id, text)
    if problem then return "the dictionary of certificates: " .. problem end
  end
  local problem = write_state(update)
  if not problem then write_staples(update.staples) end
  return problem and "the dictionary of state: " .. problem
end

-- remove drops what the update says is gone, hosts before the certificates they had, routes before the backends.
local function remove(update)
  for _, host in ipairs(update.removed.hosts) do
    if not update.hosts[host] then shared:delete(HOST .. host) end
  end
  for _, id in ipairs(update.removed.certificates) do
    if not update.certificates[id] then certificates:delete(id) end
  end
  for _, id in ipairs(update.removed.staples) do
    if not update.staples[id] then certificates:delete(STAPLE .. id) end
  end
  for _, key in ipairs(update.removed.routes) do
    if not update.routes[key] then routes.drop(key) end
  end
  for _, name in ipairs(update.removed.backends) do
    if not update.backends[name] then stored.drop(name) end
  end
end

-- remove_unnamed drops every entry that the update does not bring.
local function remove_unnamed(update)
  local keys = shared:get_keys(0)
  for _, key in ipairs(keys) do
    local host = key:sub(1, #HOST) == HOST and key:sub(#HOST + 1)
    local name = stored.of(key)
    if host and not update.hosts[host] then
      shared:delete(key)
    elseif name and not update.backends[name] then
      stored.drop(name)
    end
  end
  routes.drop_unnamed(update, keys)
  for _, key in ipairs(certificates:get_keys(0)) do
    local of = key:sub(1, #STAPLE) == STAPLE and key:sub(#STAPLE + 1)
    if not (of and update.staples[of] or not of and update.certificates[key]) then certificates:delete(key) end
  end
  if not update.settings then shared:delete("settings") end
end

-- publish makes the update visible: entries first, the generation last.
local function publish(update)
  if update.generation <= M.generation() then return 409, "the generation is not greater than the present one" end
  if shared:get("incomplete") and not update.reset then return 409, "the state is incomplete, a reset is needed" end

  local problem = write(update)
  if problem and update.reset then
    -- What is about to go may take the room.
    remove_unnamed(update)
    problem = write(update)
  end
  if problem then
    -- Each entry is either the old or the new one, so requests are served; only the set is a mixture.
    shared:set("incomplete", true)
    shared:set("generation", update.generation)
    return 507, problem
  end
  if update.reset then remove_unnamed(update) else remove(update) end
  shared:set("incomplete", false)
  shared:set("generation", update.generation)
  return nil
end

local function is_stored(id) return certificates:get(id) ~= nil end

-- apply checks a decoded document and makes it visible. It gives nil if that went well, else an HTTP status
-- and what is wrong. check_pem is as for update.check.
function M.apply(document, check_pem)
  local update, problem = updates.check(document, is_stored, check_pem)
  if not update then return 400, problem end
  local locked, reason = shared:safe_add("applying", true, APPLYING_AT_MOST)
  if not locked then
    if reason == "exists" then return 409, "another update is being applied" end
    shared:set("incomplete", true)
    return 507, "the dictionary of state: " .. reason
  end
  local ok, status, message = pcall(publish, update)
  if not ok then
    status, message = 500, "internal error: " .. tostring(status)
    shared:set("incomplete", true)
  end
  shared:delete("applying")
  return status, message
end

-- generation gives that of the last update, 0 before the first.
function M.generation() return shared:get("generation") or 0 end

-- is_incomplete tells whether only an update with reset will be applied.
function M.is_incomplete() return shared:get("incomplete") == true end

-- decode reads a document's text. It gives nil for what is no JSON object.
function M.decode(text)
  local ok, document = pcall(cjson.decode, text)
  return ok and type(document) == "table" and document or nil
end

M.encode = cjson.encode

-- replay applies the documents in a file, one a line. A last line that cannot be read was being written
-- when something stopped, and is left out; anything else that fails leaves a state that is incomplete.
function M.replay(path)
  local file = io.open(path, "r")
  if not file then return end
  local torn
  for line in file:lines() do
    if torn then
      ngx.log(ngx.ERR, "a line of the state file cannot be read")
      shared:set("incomplete", true)
    end
    torn = nil
    local document = M.decode(line)
    if document then
      if document.reset == true then shared:set("incomplete", false) end
      local status, problem = M.apply(document)
      if status then ngx.log(ngx.ERR, "a line of the state file was refused: ", problem) end
      if status and status ~= 409 then shared:set("incomplete", true) end
    else
      torn = line ~= ""
    end
  end
  file:close()
end

-- init prepares the dictionaries. After a reload they still hold everything; the file is for other starts.
function M.init(path)
  if shared:get("generation") then return end
  -- Made now, while there is room, these can always be set later: their size never changes.
  shared:set("generation", 0)
  shared:set("incomplete", false)
  shared:set("backends", 0)
  shared:set("staying", false)
  if os.getenv("SLUICE_CONFIG_TEST") then return end
  local ok, problem = pcall(M.replay, path)
  collectgarbage() -- workers would inherit what it leaves behind
  if not ok then
    shared:set("incomplete", true)
    ngx.log(ngx.ERR, "the state file cannot be replayed: ", problem)
  end
end

-- What this worker has decoded, by backend: {seen, generation, size} and the fields of the entry; without a generation there is
-- none. What others keep in the field pool is handed on when the content changes.
local stays -- see keep_while
local decoded = recent.new(HALF, function(entry) return entry.pool and stays and stays(entry.pool) end)

-- keep_while has a backend's pool kept, however long nobody has asked for it, while a function says so of it.
function M.keep_while(is_needed) stays = is_needed end

-- refresh brings this worker's copy of one backend up to a generation.
local function refresh(name, entry, generation)
  -- The generation is read first: if the content changes in between, it is merely read once more.
  local own = stored.generation(name)
  if own and entry and entry.generation == own then
    entry.seen = generation
    return entry
  end
  local text = own and stored.text(name) or ""
  local content = M.decode(text)
  local fresh = content or {}
  fresh.seen, fresh.generation, fresh.size = generation, content and own, SMALLEST + GROWTH * #text
  fresh.pool = entry and entry.pool
  recent.put(decoded, name, fresh)
  return fresh
end

-- backend gives a backend's entry as of now, or nil. This is called for every request.
function M.backend(name)
  local generation = current()
  local entry = recent.get(decoded, name)
  if not entry or entry.seen ~= generation then entry = refresh(name, entry, generation) end
  return entry.generation and entry or nil
end

-- current gives the generation of the last update, as backend goes by it.
M.current = current

-- stored_backend gives a backend's entry as it is in the dictionary, with its generation, or nil.
function M.stored_backend(name)
  local generation = stored.generation(name)
  local content = generation and M.decode(stored.text(name) or "")
  if content then content.generation = generation end
  return content or nil
end

-- stay says that soon only workers of this configuration will be there; of none, if it is "".
function M.stay(configuration)
  return put(shared, "staying", configuration)
end

-- is_leaving tells, as of the last call of backend, whether workers of this configuration will soon quit.
function M.is_leaving(configuration)
  local staying = dictionary.staying()
  return staying and staying ~= configuration
end

-- settings gives Settings of the documents.
function M.settings()
  return M.decode(shared:get("settings") or "") or {}
end

-- host gives the id of a host's certificate, or nil.
function M.host(name) return shared:get(HOST .. name) end

-- certificate gives {certificate, key}, or nil.
function M.certificate(id) return M.decode(certificates:get(id) or "") end

-- staple gives what the issuer of a certificate says of it, an OCSP response in DER, or nil.
function M.staple(id) return certificates:get(STAPLE .. id) end

-- set_worker notes which configuration a worker runs, so that others can wait until all run the same.
function M.set_worker(id, pid, configuration, count)
  local problem = put(shared, WORKER .. id, cjson.encode({ id = id, pid = pid, configuration = configuration }))
    or put(shared, "workers_wanted", count)
  if problem then ngx.log(ngx.ERR, "this worker cannot be noted: ", problem) end
end

-- status says what is there. Workers of a former configuration with more of them are left out.
function M.status()
  local wanted, workers = shared:get("workers_wanted") or 0, {}
  for id = 0, wanted - 1 do
    workers[#workers + 1] = M.decode(shared:get(WORKER .. id) or "")
  end
  return {
    version = 1,
    generation = M.generation(),
    incomplete = M.is_incomplete() or nil,
    workers = workers,
    workers_wanted = wanted,
    backends = shared:get("backends") or 0,
  }
end

return M
