-- A sign-in with better-auth's e-mail OTP: ask for a code, read address and code from the bench server's `x-code` header,
-- sign in with it. Every sign-in is a new address. One sign-in counts as one.
require("pool")

local SEND, SIGN_IN = "/api/auth/email-otp/send-verification-otp", "/api/auth/sign-in/email-otp"
local run = os.getenv("RUN")
local count = 0
local headers = { ["Content-Type"] = "application/json" }

function fresh()
  count = count + 1
  return "send"
end

function ask(item)
  if item == "send" then
    local email = string.format("u%s-%d-%d@example.com", run, number, count)
    return wrk.format("POST", SEND, headers, '{"email":"' .. email .. '","type":"sign-in"}')
  end
  local email, code = item:match("^(%S+) (%d+)$")
  return wrk.format("POST", SIGN_IN, headers, '{"email":"' .. email .. '","otp":"' .. code .. '"}')
end

function settle(status, answer, body)
  if status ~= 200 then return false end
  if body:find('"token":"', 1, true) then return true end
  local code = answer["x-code"]
  if not code then return false end
  push(code)
  return nil
end
