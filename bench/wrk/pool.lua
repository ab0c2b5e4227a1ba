-- What every load shares: each thread's queue of live tokens, and the count of what came back.
--
-- A script names three things: `ask(item)`, the request that spends an item of the queue; `settle(status, headers, body)`,
-- which is true when the answer is good and has put what follows from it back with `push`; and, where the queue may run
-- dry, `fresh()`. An answer that leaves no successor is an error, so a token is never used twice.
--
-- From the environment: POOL, a file with one item per line (rewritten with what is left in the end), and THREADS.

queue, first, last = {}, 1, 0
answered, failed, complaint = 0, 0, ""
number = 0

function push(item)
  last = last + 1
  queue[last] = item
end

local function pop()
  if first > last then return fresh and fresh() end
  local item = queue[first]
  queue[first] = nil
  first = first + 1
  return item
end

local threads = {}

function setup(thread)
  table.insert(threads, thread)
  thread:set("number", #threads)
end

function init()
  local line_number, of = 0, tonumber(os.getenv("THREADS"))
  for line in io.lines(os.getenv("POOL")) do
    line_number = line_number + 1
    if line_number % of == number % of then push(line) end
  end
end

function request()
  local item = pop()
  if item then return ask(item) end
  failed = failed + 1
  complaint = "the pool ran dry"
  return wrk.format("GET", "/healthz")
end

function response(status, headers, body)
  local good = settle(status, headers, body)
  if good then
    answered = answered + 1
  elseif good == false then
    failed = failed + 1
    if complaint == "" then complaint = status .. " " .. body:sub(1, 200) end
  end
end

function done(summary, latency, requests)
  local ok, bad, first_complaint = 0, 0, ""
  local pool = io.open(os.getenv("POOL"), "w")
  for _, thread in ipairs(threads) do
    ok, bad = ok + thread:get("answered"), bad + thread:get("failed")
    if first_complaint == "" then first_complaint = thread:get("complaint") end
    for _, item in pairs(thread:get("queue")) do pool:write(item, "\n") end
  end
  pool:close()
  local socket = summary.errors
  print(string.format(
    'RESULT {"answered": %d, "failed": %d, "seconds": %.6f, "p50_ms": %.3f, "p99_ms": %.3f, "complaint": "%s"}',
    ok, bad + socket.connect + socket.read + socket.write + socket.timeout, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    (first_complaint:gsub('[%c"\\]', " "))
  ))
end
