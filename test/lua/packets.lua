-- packets.lua writes DNS answers for specs, byte by byte, also such as no server would send.

local M = {}

function M.uint16(value) return string.char(math.floor(value / 256), value % 256) end

-- answer gives a packet: records are {owner, type, ttl, data}, flags are those of a good answer if not given.
function M.answer(id, wire, kind, records, flags)
  local out = {
    M.uint16(id), flags or "\129\128", "\0\1", M.uint16(#records), "\0\0\0\0", wire, M.uint16(kind), "\0\1",
  }
  for _, record in ipairs(records) do
    out[#out + 1] = record[1] .. M.uint16(record[2]) .. "\0\1\0\0" .. M.uint16(record[3]) .. M.uint16(#record[4]) .. record[4]
  end
  return table.concat(out)
end

return M
