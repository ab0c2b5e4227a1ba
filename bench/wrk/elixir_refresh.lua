-- Refresh, Elixir's wire: JSON with the refresh token, which comes back as `refreshToken`. KEY is the publishable key.
require("pool")

local headers = { ["Content-Type"] = "application/json", ["X-API-Key"] = os.getenv("KEY") }

function ask(token)
  return wrk.format("POST", nil, headers, '{"refreshToken":"' .. token .. '"}')
end

function settle(status, _, body)
  local successor = status == 200 and body:match('"refreshToken":"(%x+)"')
  if not successor then return false end
  push(successor)
  return true
end
