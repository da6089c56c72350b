#!/bin/bash
# Runs a job on two coordinators, of which etcd says who leads, and three workers, each a process, and etcd as one of its
# own: kills the leader, lets it stand still for longer than its lease, kills etcd, stops the one and the other. Each
# coordinator has a checkpoint directory of its own, and gets what it lacks from workers; in `shared` both have one.
# Compares what was committed with what coreutils make of the input.
#
#   tests/process/ha.sh [SCENARIO...]     all unless told otherwise: killed frozen shared etcd stopped
#
# BUILD_DIR names the build directory (default: build), HA_MB the size of the text, HA_LIMIT how many milliseconds it may
# take from a kill of the leader until another coordinator runs the job (default: 5000). Prints how long it took. Stops at
# the first difference and keeps everything that led to it.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/killed_word_count.sh"
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
read_arguments 1
program=$build/tests/process/paced_word_count
need_programs "$program"
if ! command -v etcd >/dev/null; then
  echo "ha.sh: SKIPPED, nothing was tested: there is no etcd (tests/install-dependencies.sh installs it)" >&2
  exit 77
fi
[[ $# -gt 0 ]] || set -- killed frozen shared etcd stopped
limit=${HA_LIMIT:-5000}
make_work "$build"
declare -A process # by name: etcd, a, b, c, 0, 1, 2
shared= # whether all coordinators have the same checkpoint directory

start_etcd() {
  etcd --data-dir "$work/etcd" --listen-client-urls "http://127.0.0.1:$etcd_port" \
    --advertise-client-urls "http://127.0.0.1:$etcd_port" --listen-peer-urls "http://127.0.0.1:$peer_port" \
    --heartbeat-interval 20 --election-timeout 200 --log-level error >>"$work/etcd.log" 2>&1 </dev/null &
  process[etcd]=$!
}
start_coordinator() { # NAME
  "$program" coordinator --ha "etcd://127.0.0.1:$etcd_port" --listen 127.0.0.1:0 --input "$work/input" \
    --lines "$work/lines" --words "$work/words" --checkpoint-dir "$work/checkpoints/${shared:-$1}" \
    --checkpoint-interval 200ms --parallelism 3 --log-level debug >>"$work/coordinator-$1.log" 2>&1 </dev/null &
  process[$1]=$!
}
start_worker() { # NUMBER
  "$program" worker --ha "etcd://127.0.0.1:$etcd_port" --slots 1 >>"$work/worker-$1.log" 2>&1 </dev/null &
  process[$1]=$!
}
start_workers() {
  local worker
  for worker in 0 1 2; do start_worker $worker; done
}
kill_process() { # NAME
  kill -KILL "${process[$1]}"
  { wait "${process[$1]}"; } 2>/dev/null || true
}

# How often a coordinator has said something; `?` is any of them.
count() { # NAME TEXT
  cat "$work"/coordinator-$1.log | grep -c -- "$2" || true
}
has_said() { [[ $(count "$1" "$3") -ge $2 ]]; } # NAME N TEXT
says() { # NAME N TEXT
  await "'$3' from coordinator $1, $2 times" has_said "$@"
}

# Coordinator a leads and has completed checkpoints, b stands by.
begin() { # WHAT
  local name
  echo "$1"
  kill_all 2>/dev/null
  rm -rf "$work/lines" "$work/words" "$work/checkpoints" "$work/etcd" "$work"/*.log
  for name in a b c; do : >"$work/coordinator-$name.log"; done
  etcd_port=$(free_port)
  while peer_port=$(free_port); [[ $peer_port == "$etcd_port" ]]; do :; done
  start_etcd
  start_coordinator a
  says a 1 'this coordinator leads'
  start_coordinator b
  says b 1 'standing by'
  start_workers
  says a 2 'checkpoint complete'
}

ends_well() { # NAME SECONDS
  local status=0
  timeout "$2" tail --pid="${process[$1]}" -f /dev/null || give_up "$1 does not end within $2 s"
  { wait "${process[$1]}"; } 2>/dev/null || status=$?
  [[ $status -eq 0 ]] || give_up "$1 ended with exit code $status"
}

# The job has ended, all others have heard of it, and everything has been committed once.
finish() { # COORDINATOR...
  local name
  for name in "$@" 0 1 2; do ends_well "$name" 120; done
  expect_output "$work/lines" "$work/expected_lines"
  expect_output "$work/words" "$work/expected_words"
}

# Coordinator b runs the job from a checkpoint; sets `took`, since a moment.
takes_over_since() { # MILLISECONDS WHAT
  says b 1 'job runs from a checkpoint'
  took=$(($(milliseconds) - $1))
  echo "    $2: the standby runs the job after $took ms"
}

# Coordinator a, which had completed so many checkpoints, has found that it does not lead.
goes_on_without_leading() { # CHECKPOINTS
  says a 1 'does not lead any more'
  says a 1 'standing by'
  [[ $(count a 'checkpoint complete') -eq $1 ]] || give_up "it has completed a checkpoint without leading"
}

killed() {
  begin "the leader is killed"
  local began
  began=$(milliseconds)
  kill_process a
  takes_over_since "$began" "killed"
  [[ $took -lt $limit ]] || give_up "it took $took ms, expected less than $limit"
  # Started again, it stands by, and ends with the job.
  start_coordinator a
  says a 1 'standing by'
  finish a b
  [[ $(count a 'ended under another coordinator') -eq 1 ]] || give_up "the standby does not say that the job has ended"
}

frozen() {
  begin "the leader stands still for longer than its lease"
  local began before
  began=$(milliseconds)
  kill -STOP "${process[a]}"
  takes_over_since "$began" "frozen"
  before=$(count a 'checkpoint complete')
  kill -CONT "${process[a]}"
  goes_on_without_leading "$before"
  finish a b
}

# The directory is the leader's for as long as it stands still.
shared() {
  local began before shared=all
  begin "the leader stands still for longer than its lease, with the directory of both"
  kill -STOP "${process[a]}"
  says b 1 'cannot start here yet'
  before=$(count a 'checkpoint complete')
  kill -CONT "${process[a]}"
  began=$(milliseconds)
  takes_over_since "$began" "goes on"
  goes_on_without_leading "$before"
  # A kill frees it at once.
  start_coordinator c
  says c 1 'standing by'
  kill_process b
  says '[ac]' 2 'job runs from' # a did before
  [[ $(count '[ac]' 'cannot start here yet') -eq 0 ]] || give_up "the directory was still locked after a kill"
  finish a c
}

etcd_killed() {
  begin "etcd is killed"
  local began runs
  kill_process etcd
  start_etcd
  says '?' $(($(count '?' 'checkpoint complete') + 2)) 'checkpoint complete'
  runs=$(count '?' 'job runs from')
  echo "    for a moment: the job goes on, started $runs times"
  kill_process etcd
  says '?' $(($(count '?' 'does not lead any more') + 1)) 'does not lead any more'
  start_etcd
  began=$(milliseconds)
  says '?' $((runs + 1)) 'job runs from'
  echo "    for longer than the lease: it runs again $(($(milliseconds) - began)) ms after etcd was started"
  finish a b
}

stopped() {
  begin "coordinators are stopped"
  local name
  kill -TERM "${process[b]}"
  ends_well b 5
  [[ $(count a 'job runs from') -eq 1 ]] || give_up "the job has restarted because a standby was stopped"
  start_coordinator b
  says b 2 'standing by'
  kill -TERM "${process[a]}"
  for name in a b 0 1 2; do ends_well "$name" 20; done
  [[ $(count a 'job stopped') -eq 1 ]] || give_up "the leader does not say that the job has stopped"
  # The same words start it again. The one that leads first has not got the last checkpoint, nor have new workers.
  start_coordinator b
  says b 1 'this coordinator leads'
  start_coordinator a
  start_workers
  says b 1 'no worker has come with it'
  says a 2 'job runs from'
  finish a b
}

make_texts "$work/input" "${HA_MB:-8}"
counted_by_coreutils "$work/input" >"$work/expected_words"
LC_ALL=C sort "$work"/input/* >"$work/expected_lines"
for one in "$@"; do
  case $one in
  killed | frozen | shared | stopped) $one ;;
  etcd) etcd_killed ;;
  *)
    echo "usage: ha.sh [SCENARIO...], each of killed, frozen, shared, etcd, stopped; found $one" >&2
    exit 2
    ;;
  esac
done
echo "passed: $*"
