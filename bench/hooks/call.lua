-- Calls as Jira makes them, each another one: its own issue and webhook identifier, and
-- one of many tokens. Arguments: file of tokens, file of the body, path, first number.
-- The body holds the number's place as ten zeros.

local tokens, parts, head, number = {}, {}, "", 0

function init(args)
  for token in io.lines(args[1]) do
    tokens[#tokens + 1] = token
  end
  local file = io.open(args[2])
  local body = file:read("*a")
  file:close()
  head = "POST " .. args[3] .. " HTTP/1.1\r\nHost: countersign.example\r\n"
    .. "User-Agent: Atlassian Webhook HTTP Client\r\nContent-Type: application/json\r\n"
    .. "Content-Length: " .. #body .. "\r\nX-Atlassian-Webhook-Flow: Primary\r\n"
    .. "X-Atlassian-Webhook-Identifier: bench-"
  local from = 1
  while true do
    local at = body:find("0000000000", from, true)
    parts[#parts + 1] = body:sub(from, (at or 0) - 1)
    if not at then break end
    from = at + 10
  end
  number = tonumber(args[4])
end

function request()
  number = number + 1
  return head .. number .. "\r\nAuthorization: JWT " .. tokens[number % #tokens + 1]
    .. "\r\n\r\n" .. table.concat(parts, number)
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests": %d, "seconds": %.6f, "p50": %d, "p99": %d, "errors": %d}\n',
    summary.requests, summary.duration / 1e6,
    latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
