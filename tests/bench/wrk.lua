-- SPDX-License-Identifier: MIT
-- What wrk found, in one line for tools/freehold_lib/bench_wrk.py. Times are microseconds.
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("bench requests %d us %d p50 %d p99 %d connect %d read %d write %d status %d timeout %d\n",
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    e.connect, e.read, e.write, e.status, e.timeout))
end
