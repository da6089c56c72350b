# Sourced by the tests that run a cluster of processes.

# Also those that stand still.
kill_all() {
  local pid
  for pid in $(jobs -p); do
    kill -CONT "$pid" 2>/dev/null || true
    kill -KILL "$pid" 2>/dev/null || true
  done
  wait 2>/dev/null || true
}

# A port that nobody listens on, below those that the system hands out by itself.
free_port() {
  local port
  while port=$((20000 + RANDOM % 10000)); ss -Hltn "sport = :$port" 2>/dev/null | grep -q .; do :; done
  echo "$port"
}

milliseconds() { echo $(($(date +%s%N) / 1000000)); }

# Waits up to so many seconds for a child to end, and returns its exit code; 124 if it does not end.
ends_within() { # SECONDS PID
  local status=0
  timeout "$1" tail --pid="$2" -f /dev/null || return 124
  { wait "$2"; } 2>/dev/null || status=$?
  return "$status"
}
