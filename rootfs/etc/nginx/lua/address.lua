-- address.lua turns IP addresses from text to bytes (4 or 16) and back, and tells which of them a DNS
-- answer must not send our requests to. Bytes are what is compared: text has many spellings.
--
-- It is pure: it never touches ngx and never resolves anything.

local byte, char, sub, find = string.byte, string.char, string.sub, string.find
local format, concat, floor = string.format, table.concat, math.floor

local M = {}

local function parse_ipv4(text)
  local a, b, c, d = text:match("^(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)%.(%d%d?%d?)$")
  if not a then return nil end
  -- A leading zero means octal to some readers and decimal to others, so it is neither here.
  if find("." .. text, "%.0%d") then return nil end
  a, b, c, d = tonumber(a), tonumber(b), tonumber(c), tonumber(d)
  if a > 255 or b > 255 or c > 255 or d > 255 then return nil end
  return char(a, b, c, d)
end

-- groups reads colon-separated groups of hexadecimal digits.
local function groups(text)
  if text == "" then return "" end
  local out = {}
  for group in (text .. ":"):gmatch("([^:]*):") do
    if not find(group, "^%x%x?%x?%x?$") then return nil end
    local value = tonumber(group, 16)
    out[#out + 1] = char(floor(value / 256), value % 256)
  end
  return concat(out)
end

local function parse_ipv6(text)
  local head, tail = text:match("^(.*:)([^:]*%.[^:]*)$")
  if tail then
    local bytes = parse_ipv4(tail)
    if not bytes then return nil end
    text = head .. format("%02x%02x:%02x%02x", byte(bytes, 1, 4))
  end
  local from, to = find(text, "::", 1, true)
  if not from then
    local bytes = groups(text)
    return bytes and #bytes == 16 and bytes or nil
  end
  local left, right = groups(sub(text, 1, from - 1)), groups(sub(text, to + 1))
  if not left or not right or #left + #right > 14 then return nil end
  return left .. ("\0"):rep(16 - #left - #right) .. right
end

-- parse gives the bytes of an IP literal (no brackets, no zone, no port), or nil.
function M.parse(text)
  if type(text) ~= "string" or #text > 45 then return nil end
  if find(text, ":", 1, true) then return parse_ipv6(text) end
  return parse_ipv4(text)
end

-- format is the inverse of parse, in the form of RFC 5952.
function M.format(bytes)
  if #bytes == 4 then return format("%d.%d.%d.%d", byte(bytes, 1, 4)) end
  local words, best, best_length, run = {}, 0, 1, 0
  for i = 1, 8 do
    local high, low = byte(bytes, 2 * i - 1, 2 * i)
    words[i] = high * 256 + low
    run = words[i] == 0 and run + 1 or 0
    if run > best_length then best, best_length = i - run + 1, run end
  end
  local text = {}
  for i = 1, 8 do text[i] = format("%x", words[i]) end
  if best == 0 then return concat(text, ":") end
  return concat(text, ":", 1, best - 1) .. "::" .. concat(text, ":", best + best_length, 8)
end

-- for_nginx is the form set_current_peer understands: IPv6 in brackets.
function M.for_nginx(bytes)
  local text = M.format(bytes)
  return #bytes == 16 and "[" .. text .. "]" or text
end

local ZEROS = ("\0"):rep(12)
local MAPPED = ("\0"):rep(10) .. "\255\255"
local NAT64 = "\0\100\255\155" .. ("\0"):rep(8)

-- embedded gives the IPv4 address that packets to an IPv6 address may end up at, or nil.
local function embedded(bytes)
  local prefix = sub(bytes, 1, 12)
  if prefix == MAPPED or prefix == NAT64 or prefix == ZEROS then return sub(bytes, 13) end
  return nil
end

-- Where clouds hand out what a node is and may do, besides link-local addresses. Package translate has the
-- same list.
local METADATA = {
  [parse_ipv6("fd20:ce::254")] = true, -- Google
  [parse_ipv4("168.63.129.16")] = true, -- Azure: WireServer
  [parse_ipv4("100.100.100.200")] = true, -- Alibaba
  [parse_ipv4("192.0.0.192")] = true, -- Oracle
  [parse_ipv6("fd00:42::42")] = true, -- Scaleway
}
local AMAZON = sub(parse_ipv6("fd00:ec2::"), 1, 4) -- metadata, credentials of pods, DNS, time

local function refused_ipv4(bytes)
  local a, b = byte(bytes, 1, 2)
  return a == 0 or a == 127 or a >= 224 or (a == 169 and b == 254)
end

local function refused_ipv6(bytes)
  local a, b = byte(bytes, 1, 2)
  return a == 255 or (a == 254 and b >= 128 and b < 192) or sub(bytes, 1, 4) == AMAZON
end

-- refused tells whether a name must not lead to this address: this machine, its link, the metadata services of
-- clouds, groups, reserved space, and own, a set of bytes.
function M.refused(bytes, own)
  if own[bytes] then return true end
  bytes = embedded(bytes) or bytes
  if own[bytes] or METADATA[bytes] then return true end
  if #bytes == 4 then return refused_ipv4(bytes) end
  return refused_ipv6(bytes)
end

-- set turns a list of literals into the form refused takes; what is no literal is left out.
function M.set(list)
  local set = {}
  for _, text in ipairs(list) do
    local bytes = M.parse(text)
    if bytes then
      set[bytes] = true
      local inner = #bytes == 16 and embedded(bytes)
      if inner then set[inner] = true end
    end
  end
  return set
end

return M
