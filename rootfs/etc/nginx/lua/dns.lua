-- dns.lua writes DNS questions and reads the answers (RFC 1035), and says which names to ask for a name
-- that is not complete (resolv.conf(5)).
--
-- It is pure: it sends nothing and keeps nothing. Answers come from strangers: reading one never raises an
-- error and never takes longer than its length warrants, whatever is in it.

local byte, char, sub, lower = string.byte, string.char, string.sub, string.lower
local floor = math.floor

local M = { A = 1, AAAA = 28, NXDOMAIN = 3, SERVFAIL = 2 }

local CNAME, CLASS_IN = 5, 1
local LONGEST_NAME = 255 -- bytes on the wire
local LONGEST_CHAIN = 16 -- CNAMEs followed in one answer
local MOST_JUMPS = 32 -- pointers followed in one name
local SIZE = { [1] = 4, [28] = 16 } -- of an address, by type

local function uint16(value) return char(floor(value / 256), value % 256) end

-- encode_name gives the wire form of a name, in lower case so that names can be compared, or nil.
function M.encode_name(name)
  if sub(name, -1) == "." then name = sub(name, 1, -2) end
  if name == "" then return nil end
  local out = {}
  for label in (name .. "."):gmatch("([^.]*)%.") do
    if #label == 0 or #label > 63 then return nil end
    out[#out + 1] = char(#label) .. lower(label)
  end
  local wire = table.concat(out) .. "\0"
  return #wire <= LONGEST_NAME and wire or nil
end

-- query gives the packet that asks for records of one type, recursion desired.
function M.query(id, wire, kind)
  return uint16(id) .. "\1\0\0\1\0\0\0\0\0\0" .. wire .. uint16(kind) .. uint16(CLASS_IN)
end

local function read16(packet, at)
  local high, low = byte(packet, at, at + 1)
  if not low then return nil end
  return high * 256 + low
end

-- read_name gives a name's wire form in lower case and where the packet goes on after it, or nil. A pointer
-- must point before everything read so far, so there are no loops; the limit is for long chains of pointers
-- that thousands of records share.
local function read_name(packet, at)
  local labels, count, length, jumps = {}, 0, 1, 0
  local lowest, after = at, nil
  while true do
    local size = byte(packet, at)
    if not size then return nil end
    if size == 0 then
      return table.concat(labels) .. "\0", after or at + 1
    elseif size >= 192 then
      local low = byte(packet, at + 1)
      if not low then return nil end
      after = after or at + 2
      at = (size - 192) * 256 + low + 1
      jumps = jumps + 1
      if at >= lowest or jumps > MOST_JUMPS then return nil end
      lowest = at
    elseif size >= 64 then
      return nil
    else
      length = length + size + 1
      if length > LONGEST_NAME or at + size > #packet then return nil end
      count = count + 1
      labels[count] = lower(sub(packet, at, at + size))
      at = at + size + 1
    end
  end
end

-- read_record gives one record and where the next begins, or nil.
local function read_record(packet, at)
  local owner
  owner, at = read_name(packet, at)
  if not owner then return nil end
  local kind, class = read16(packet, at), read16(packet, at + 2)
  local ttl_high, ttl_low = read16(packet, at + 4), read16(packet, at + 6)
  local length = read16(packet, at + 8)
  if not length or at + 9 + length > #packet then return nil end
  local record = { owner = owner, kind = kind, class = class, ttl = ttl_high * 65536 + ttl_low }
  if record.ttl >= 2147483648 then record.ttl = 0 end -- RFC 2181, section 8
  local data = at + 10
  if kind == CNAME then
    record.target = read_name(packet, data)
    if not record.target then return nil end
  elseif length == SIZE[kind] then
    record.address = sub(packet, data, data + length - 1)
  end
  return record, data + length
end

-- follow collects the addresses of wire, going along its CNAMEs in whatever order the records are.
local function follow(records, wire, kind)
  local addresses, ttl = {}, nil
  for _ = 1, LONGEST_CHAIN do
    local target
    for i = 1, #records do
      local record = records[i]
      if record.owner == wire and record.class == CLASS_IN then
        if record.kind == kind and record.address then
          addresses[#addresses + 1] = record.address
        elseif record.kind == CNAME and not target then
          target = record.target
        end
        if record.address or record.target then ttl = math.min(ttl or record.ttl, record.ttl) end
      end
    end
    if #addresses > 0 or not target then break end
    wire = target
  end
  return addresses, ttl
end

-- parse reads the answer to query(id, wire, kind): {code, truncated, addresses, ttl}, where addresses are
-- bytes. It gives nil and "foreign" for what does not answer that question, nil and "malformed" for what
-- cannot be read.
function M.parse(packet, id, wire, kind)
  if #packet < 12 or read16(packet, 1) ~= id then return nil, "foreign" end
  local flags, code = byte(packet, 3, 4)
  -- A response (128) to a standard query (120 is the operation) with one question.
  if flags < 128 or floor(flags / 8) % 16 ~= 0 or read16(packet, 5) ~= 1 then return nil, "foreign" end
  local name, at = read_name(packet, 13)
  if name ~= wire or read16(packet, at) ~= kind or read16(packet, at + 2) ~= CLASS_IN then
    return nil, "foreign"
  end
  at = at + 4
  local answer = { code = code % 16, truncated = floor(flags / 2) % 2 == 1, addresses = {} }
  if answer.truncated or answer.code ~= 0 then return answer end
  local records = {}
  for i = 1, read16(packet, 7) do
    records[i], at = read_record(packet, at)
    if not records[i] then return nil, "malformed" end
  end
  answer.addresses, answer.ttl = follow(records, wire, kind)
  return answer
end

-- candidates lists the complete names to ask for, in order, for a name as somebody wrote it.
function M.candidates(name, search, ndots)
  if sub(name, -1) == "." then return { name } end
  local _, dots = name:gsub("%.", "")
  local list = {}
  local absolute = name .. "."
  local as_is_first = dots >= ndots
  if as_is_first then list[1] = absolute end
  for _, domain in ipairs(search) do
    domain = domain:gsub("^%.+", ""):gsub("%.+$", "")
    if domain ~= "" then list[#list + 1] = absolute .. domain .. "." end
  end
  if not as_is_first then list[#list + 1] = absolute end
  return list
end

return M
