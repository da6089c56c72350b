# Sourced by killed_word_count.sh: processes that a script starts, ends and waits for.

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

# Waits for what a command tells.
await() { # WHAT COMMAND...
  local began
  began=$(milliseconds)
  until "${@:2}"; do
    [[ $(($(milliseconds) - began)) -lt 60000 ]] || give_up "within 60 s: no $1"
    sleep 0.02
  done
}
