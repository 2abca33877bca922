-- certificate.lua gives each TLS connection the certificate of the host it asks for.
--
-- It never refuses a connection: what goes wrong is logged, and the certificate of the configuration serves.
-- It never logs a certificate or a key.

local ffi = require("ffi")
local ocsp = require("ngx.ocsp")
local lrucache = require("resty.lrucache")
local ssl = require("ngx.ssl")
local state = require("state")

local MOST_PARSED = 1000 -- kept per worker
local FAILURE = 10 -- seconds until a certificate that cannot be used is tried, and logged, again

local M = {}

local can_check = pcall(function()
  ffi.cdef([[
    void *OPENSSL_sk_value(const void *stack, int i);
    int X509_check_private_key(const void *certificate, const void *key);
    void ERR_clear_error(void);
  ]])
  return ffi.C.OPENSSL_sk_value, ffi.C.X509_check_private_key, ffi.C.ERR_clear_error
end)

-- belongs tells whether a key is that of a chain. A pair that is not is better found before the default
-- certificate has been removed from a connection.
local function belongs(chain, key)
  if not can_check then return true end
  local good = ffi.C.X509_check_private_key(ffi.C.OPENSSL_sk_value(chain, 0), key) == 1
  ffi.C.ERR_clear_error()
  return good
end

-- parse gives a chain and its key as OpenSSL has them, or nil and what is wrong.
local function parse(certificate, key)
  local chain = ssl.parse_pem_cert(certificate)
  if not chain then return nil, "the certificate cannot be read" end
  local parsed_key = ssl.parse_pem_priv_key(key)
  if not parsed_key then return nil, "the key cannot be read" end
  if not belongs(chain, parsed_key) then return nil, "the key is not that of the certificate" end
  return { chain = chain, key = parsed_key }
end

-- check says what is wrong with a chain and its key, both PEM, or gives nil.
function M.check(certificate, key)
  local _, problem = parse(certificate, key)
  return problem
end

-- normal gives a name as keys have it.
local function normal(name) return (name:lower():gsub("%.$", "")) end

-- asked_for gives the name that the client of this connection asks for, or nil.
function M.asked_for()
  local name = ssl.server_name()
  return name and normal(name)
end

-- find gives the id of the certificate for the name a client asks for, or nil. lookup(host) is the table.
function M.find(name, lookup)
  name = normal(name)
  local id = lookup(name)
  if id then return id end
  local rest = name:match("^[^.]+(%..+)$")
  return rest and lookup("*" .. rest)
end

local parsed = lrucache.new(MOST_PARSED)

local function load(id)
  local found = parsed:get(id)
  if found then return found end
  local pair, problem = state.certificate(id), nil
  if pair then
    found, problem = parse(pair.certificate, pair.key)
  else
    problem = "it is not there"
  end
  if found then
    parsed:set(id, found)
    return found
  end
  ngx.log(ngx.ERR, "certificate ", id, " cannot be used: ", problem)
  found = { failed = true }
  parsed:set(id, found, FAILURE)
  return found
end

-- staple has a client that wants to know told what the issuer says of the certificate that it gets.
local function staple(id)
  local response = id and state.staple(id)
  if not response then return end
  local ok, problem = ocsp.set_ocsp_status_resp(response)
  if not ok then ngx.log(ngx.ERR, "what is said of certificate ", id, " cannot be set: ", problem) end
end

-- serve sets the certificate of the connection that is being made. default is the id of the configuration's own, if its issuer may
-- have said something of it.
function M.serve(default)
  local name = ssl.server_name()
  local id = name and M.find(name, state.host)
  local found = id and load(id)
  if not found or found.failed then return staple(default) end
  -- The default certificate may be of another type and would still be offered, so it has to go.
  local ok, problem = ssl.clear_certs()
  if ok then ok, problem = ssl.set_cert(found.chain) end
  if ok then ok, problem = ssl.set_priv_key(found.key) end
  if not ok then
    ngx.log(ngx.ERR, "certificate ", id, " cannot be set: ", problem)
    return
  end
  staple(id)
end

return M
