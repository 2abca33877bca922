-- take.lua answers documents as workers would: `luajit -joff test/lua/take.lua` from the root of the repository. Each comes as its
-- length in decimal and a line end, then its bytes; the answer is one line: applied, refused, no JSON, or FAIL and why. A document's
-- generation is made the next one, or nothing would get far.

package.path = "rootfs/etc/nginx/lua/?.lua;test/lua/?.lua;" .. package.path

local judge = require("judge")

function _G.same(got, want)
  if got ~= want then error(tostring(got) .. " is not " .. tostring(want)) end
end

local AT_MOST = 50 -- documents for one state

local state
local taken = 0
for line in io.lines() do
  local length = tonumber(line)
  local text = length == 0 and "" or io.read(length)
  if taken % AT_MOST == 0 then state = judge.fresh() end
  taken = taken + 1
  local document = state.decode(text)
  local answer = "no JSON"
  if document then
    document.generation = state.generation() + 1
    local ok, how = pcall(judge.take, document)
    answer = ok and how or "FAIL " .. tostring(how):gsub("%s+", " ")
  end
  io.write(answer, "\n")
  io.flush()
end
