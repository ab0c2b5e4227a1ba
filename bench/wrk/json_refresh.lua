-- Refresh, allauth headless' wire: JSON both ways, `refresh_token` in `data`.
require("pool")

local headers = { ["Content-Type"] = "application/json" }

function ask(token)
  return wrk.format("POST", nil, headers, '{"refresh_token":"' .. token .. '"}')
end

function settle(status, _, body)
  local successor = status == 200 and body:match('"refresh_token":%s*"([^"]+)"')
  if not successor then return false end
  push(successor)
  return true
end
