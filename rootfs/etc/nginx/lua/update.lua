-- update.lua checks a document that somebody wants to apply (Update in nginx/dynamic/state.go) and brings it
-- into the form that state.lua stores. A document is good as a whole or not at all.
--
-- It is pure: it stores nothing and knows of what is stored only through the functions it is given.

local address = require("address")
local affinity = require("affinity")
local alternatives = require("alternatives")
local routes = require("update.routes")

local floor, lower = math.floor, string.lower

local VERSION = 1
local LARGEST = 10 ^ 14 - 1 -- cjson writes numbers with 14 digits
local LONGEST_NAME = 512
local LONGEST_STAPLE = 24 * 1024 -- in base64
local LONGEST_TEXT = 4096 -- NGINX takes no longer argument, so no server name, path or pattern is longer

local M = {}

-- Every check_* gives nil if the value is good, else what is wrong with it.

local function is_integer(value, from, to)
  return type(value) == "number" and value == floor(value) and value >= from and value <= to
end

local function is_list(value)
  if type(value) ~= "table" then return false end
  local count = 0
  for _ in pairs(value) do count = count + 1 end
  return count == #value
end

-- is_map accepts the empty list as well: cjson reads {} and [] alike.
local function is_map(value, longest_key)
  if type(value) ~= "table" then return false end
  for key in pairs(value) do
    if type(key) ~= "string" or key == "" or #key > (longest_key or LONGEST_NAME) then return false end
  end
  return true
end

local function is_name(text) return type(text) == "string" and text ~= "" and #text <= LONGEST_NAME end

local function is_hostname(text)
  if type(text) ~= "string" or #text > 254 or text == "" or address.parse(text) then return false end
  for label in (text:gsub("%.$", "") .. "."):gmatch("([^.]*)%.") do
    if #label > 63 or not label:find("^[%w_][%w_-]*$") then return false end
  end
  return true
end

local function check_strings(list, what)
  if list == nil then return nil end
  if not is_list(list) then return what .. " is not a list" end
  for _, text in ipairs(list) do
    if not is_name(text) then return what .. " holds something that is no name" end
  end
  return nil
end

local function check_targets(list, what, is_good)
  if list == nil then return nil end
  if not is_list(list) then return what .. " is not a list" end
  for i, target in ipairs(list) do
    if type(target) ~= "table" then return what .. " " .. i .. " is not an object" end
    if not is_good(target.address) then return what .. " " .. i .. " has a bad address" end
    if not is_integer(target.port, 1, 65535) then return what .. " " .. i .. " has a bad port" end
    local sessions_only = target.sessions_only
    if sessions_only ~= nil and type(sessions_only) ~= "boolean" then return what .. " " .. i .. " has a bad sessions_only" end
  end
  return nil
end

local function check_alternatives(servers)
  if servers == nil then return nil end
  if not is_map(servers, LONGEST_TEXT) then return "routes is not an object" end
  for _, paths in pairs(servers) do
    if not is_map(paths, LONGEST_TEXT) then return "the routes of a server are not an object" end
    for _, list in pairs(paths) do
      if not is_list(list) then return "the alternatives of a route are not a list" end
      for _, alternative in ipairs(list) do
        local problem = alternatives.check(alternative)
        if problem then return problem end
      end
    end
  end
  return nil
end

-- check_hash_by wants literals and names of variables by turns.
local function check_hash_by(hash_by)
  if hash_by == nil then return nil end
  local key = type(hash_by) == "table" and hash_by.key
  if not is_list(key) or #key == 0 then return "hash_by has no key" end
  for i, piece in ipairs(key) do
    if type(piece) ~= "string" or #piece > LONGEST_TEXT then return "the key of hash_by has a bad piece" end
    if i % 2 == 0 and not piece:find("^[%w_]+$") then return "the key of hash_by has something that is no variable" end
  end
  if hash_by.subset ~= nil and not is_integer(hash_by.subset, 0, LARGEST) then return "the subset of hash_by is bad" end
  return nil
end

local function check_balance(backend)
  if backend.balance ~= nil and backend.balance ~= "ewma" then return "balance is bad" end
  return check_hash_by(backend.hash_by) or (backend.affinity ~= nil and affinity.check(backend.affinity)) or nil
end

local function check_backends(backends)
  if not is_map(backends) then return "backends is not an object" end
  for name, backend in pairs(backends) do
    if not is_map(backend) then return "backend " .. name .. " is not an object" end
    local problem = check_targets(backend.endpoints, "endpoint", address.parse)
      or check_targets(backend.names, "name", is_hostname)
      or check_alternatives(backend.routes)
      or check_balance(backend)
    if problem then return "backend " .. name .. ": " .. problem end
  end
  return nil
end

local function is_nameserver(text)
  local host, port = text:match("^%[(.*)%]:(%d+)$")
  if not host then
    host, port = text:match("^([^:]*):(%d+)$")
  end
  return host and address.parse(host) and is_integer(tonumber(port), 1, 65535)
end

local function check_settings(settings)
  if not is_map(settings) then return "settings is not an object" end
  for _, field in ipairs({ "nameservers", "search", "own_addresses" }) do
    local problem = check_strings(settings[field], "settings." .. field)
    if problem then return problem end
  end
  for _, server in ipairs(settings.nameservers or {}) do
    if not is_nameserver(server) then return "settings.nameservers holds something that is no address and port" end
  end
  for _, own in ipairs(settings.own_addresses or {}) do
    if not address.parse(own) then return "settings.own_addresses holds something that is no address" end
  end
  if settings.ipv4_only ~= nil and type(settings.ipv4_only) ~= "boolean" then return "settings.ipv4_only is bad" end
  if settings.ndots ~= nil and not is_integer(settings.ndots, 0, 15) then return "settings.ndots is bad" end
  return nil
end

local function check_certificates(certificates, check_pem)
  if not is_map(certificates) then return "certificates is not an object" end
  for id, pair in pairs(certificates) do
    if type(pair) ~= "table" or type(pair.certificate) ~= "string" or type(pair.key) ~= "string" then
      return "certificate " .. id .. " is not a pair of texts"
    end
    local problem = check_pem and check_pem(pair.certificate, pair.key)
    if problem then return "certificate " .. id .. ": " .. problem end
  end
  return nil
end

local function check_hosts(hosts, has_certificate)
  if not is_map(hosts) then return "hosts is not an object" end
  for host, id in pairs(hosts) do
    if not is_hostname((host:gsub("^%*%.", ""))) then return "host " .. host .. " is no host name" end
    if type(id) ~= "string" or not has_certificate(id) then
      return "host " .. host .. " has a certificate that is not known"
    end
  end
  return nil
end

local function check_staples(staples)
  if not is_map(staples) then return "staples is not an object" end
  for id, staple in pairs(staples) do
    local response = type(staple) == "table" and staple.response
    if type(response) ~= "string" or #response > LONGEST_STAPLE or #response % 4 ~= 0 or not response:find("^[%w+/]+=?=?$") then
      return "staple " .. id .. " has a bad response"
    end
    if not is_integer(staple["until"], 0, LARGEST) then return "staple " .. id .. " has a bad until" end
  end
  return nil
end

local function check_removed(removed)
  if not is_map(removed) then return "removed is not an object" end
  return check_strings(removed.backends, "removed.backends")
    or check_strings(removed.certificates, "removed.certificates")
    or check_strings(removed.hosts, "removed.hosts")
    or check_strings(removed.staples, "removed.staples")
end

-- targets copies what we know of, so that nothing else gets stored; empty lists are left out.
local function targets(list)
  if not list or #list == 0 then return nil end
  local out = {}
  for i, target in ipairs(list) do
    out[i] = { address = target.address, port = target.port, sessions_only = target.sessions_only or nil }
  end
  return out
end

-- prepared copies routes with their alternatives as they are asked; without routes there is nothing.
local function prepared(servers)
  if not servers or next(servers) == nil then return nil end
  local out = {}
  for server, paths in pairs(servers) do
    out[server] = {}
    for path, list in pairs(paths) do
      local asked = {}
      for i, alternative in ipairs(list) do asked[i] = alternatives.prepare(alternative) end
      out[server][path] = asked
    end
  end
  return out
end

local function normal(document, read)
  local removed = document.removed or {}
  local update = {
    generation = document.generation,
    reset = document.reset or false,
    settings = document.settings,
    certificates = document.certificates or {},
    staples = document.staples or {},
    backends = {},
    hosts = {},
    routes = read.routes,
    names = read.names,
    removed = {
      backends = removed.backends or {},
      certificates = removed.certificates or {},
      staples = removed.staples or {},
      hosts = {},
      routes = read.removed,
    },
  }
  for name, backend in pairs(document.backends or {}) do
    update.backends[name] = {
      endpoints = targets(backend.endpoints), names = targets(backend.names), routes = prepared(backend.routes), balance = backend.balance,
      hash_by = backend.hash_by and { key = backend.hash_by.key, subset = backend.hash_by.subset },
      affinity = backend.affinity and affinity.prepare(backend.affinity),
    }
  end
  for host, id in pairs(document.hosts or {}) do update.hosts[lower(host)] = id end
  for i, host in ipairs(removed.hosts or {}) do update.removed.hosts[i] = lower(host) end
  return update
end

-- check gives the update a document asks for, or nil and what is wrong. is_stored(id) tells whether a
-- certificate is there already; check_pem(certificate, key), if given, says what is wrong with a pair.
function M.check(document, is_stored, check_pem)
  if type(document) ~= "table" then return nil, "the document is not an object" end
  if document.version ~= VERSION then return nil, "the document has another version than " .. VERSION end
  if not is_integer(document.generation, 1, LARGEST) then return nil, "generation is bad" end
  if document.reset ~= nil and type(document.reset) ~= "boolean" then return nil, "reset is not a boolean" end

  local problem = (document.settings ~= nil and check_settings(document.settings))
    or check_backends(document.backends or {})
    or check_removed(document.removed or {})
    or check_certificates(document.certificates or {}, check_pem)
    or check_staples(document.staples or {})
  if problem then return nil, problem end

  local gone = {}
  for _, id in ipairs(document.removed and document.removed.certificates or {}) do gone[id] = true end
  local function has_certificate(id)
    if document.certificates and document.certificates[id] then return true end
    return not document.reset and not gone[id] and is_stored(id)
  end
  problem = check_hosts(document.hosts or {}, has_certificate)
  if problem then return nil, problem end
  local read
  read, problem = routes.read(document)
  if not read then return nil, problem end
  return normal(document, read)
end

return M
