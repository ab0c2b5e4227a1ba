-- Whole requests in turn: each line is method, path, body and headers, separated by tabs. With ONCE=1 a line is used up.
-- A good answer is a 200 that contains EXPECTED.
require("pool")

local once, expected = os.getenv("ONCE") == "1", os.getenv("EXPECTED")
local formatted = {}

local function format(line)
  local fields = {}
  for field in (line .. "\t"):gmatch("([^\t]*)\t") do table.insert(fields, field) end
  local headers = {}
  for index = 4, #fields do
    local name, value = fields[index]:match("^([^:]+): (.*)$")
    headers[name] = value
  end
  return wrk.format(fields[1], fields[2], headers, fields[3] ~= "" and fields[3] or nil)
end

function ask(line)
  if once then return format(line) end
  push(line)
  local bytes = formatted[line]
  if not bytes then
    bytes = format(line)
    formatted[line] = bytes
  end
  return bytes
end

function settle(status, _, body)
  return status == 200 and body:find(expected, 1, true) ~= nil
end
