-- Each request is the same one.
function done(summary, latency)
  io.write(string.format('{"requests":%d,"us":%d,"errors":%d,"not_2xx":%d,"p50_us":%d,"p99_us":%d}\n',
    summary.requests, summary.duration,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    summary.errors.status, latency:percentile(50), latency:percentile(99)))
end
