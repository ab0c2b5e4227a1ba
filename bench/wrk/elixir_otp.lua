-- A sign-in, Elixir's wire: ask for a code, read it from the answer (`userCode`, a development key's), verify it.
-- Every sign-in is a new address from a new client (X-Forwarded-For), so each budget is spent and none runs out. One
-- sign-in counts as one; the two halves' latencies are both in the percentiles. KEY is the publishable key.
require("pool")

local LOGIN, VERIFY = "/sdk/auth/v2/signin/otp-login", "/sdk/auth/v2/signin/otp-verify"
local run, key = os.getenv("RUN"), os.getenv("KEY")
local count = 0

local function client(of)
  return string.format("10.%d.%d.%d", math.floor(of / 65536) % 256, math.floor(of / 256) % 256, of % 256)
end

function fresh()
  count = count + 1
  return "login"
end

function ask(item)
  local headers = { ["Content-Type"] = "application/json", ["X-API-Key"] = key, ["X-Forwarded-For"] = client(count) }
  if item == "login" then
    return wrk.format("POST", LOGIN, headers, string.format('{"email":"u%s-%d-%d@example.com"}', run, number, count))
  end
  local transaction, code = item:match("^(%S+) (%d+)$")
  return wrk.format("POST", VERIFY, headers, '{"transactionId":"' .. transaction .. '","code":"' .. code .. '"}')
end

function settle(status, _, body)
  if status ~= 200 then return false end
  if body:find('"refreshToken"', 1, true) then return true end
  local transaction, code = body:match('"transactionId":"([^"]+)"'), body:match('"userCode":"(%d+)"')
  if not code then return false end
  push(transaction .. " " .. code)
  return nil
end
