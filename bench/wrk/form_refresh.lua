-- Refresh, OAuth's wire (RFC 6749 section 6): a form, answered with `refresh_token`. EXTRA is added to the form.
require("pool")

local headers = { ["Content-Type"] = "application/x-www-form-urlencoded" }
local extra = os.getenv("EXTRA") or ""

function ask(token)
  return wrk.format("POST", nil, headers, "grant_type=refresh_token&refresh_token=" .. token .. extra)
end

function settle(status, _, body)
  local successor = status == 200 and body:match('"refresh_token":%s*"([^"]+)"')
  if not successor then return false end
  push(successor)
  return true
end
