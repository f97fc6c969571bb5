-- Each request asks for another check.
local ids = {}
for line in io.lines(os.getenv("BENCH_IDS")) do ids[#ids + 1] = line end
local prefix = "/api/v1/checks/"

function init() math.randomseed(os.time()) end

function request() return wrk.format("GET", prefix .. ids[math.random(#ids)]) end

function done(summary, latency)
  io.write(string.format('{"requests":%d,"us":%d,"errors":%d,"not_2xx":%d,"p50_us":%d,"p99_us":%d}\n',
    summary.requests, summary.duration,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    summary.errors.status, latency:percentile(50), latency:percentile(99)))
end
