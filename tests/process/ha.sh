#!/bin/bash
# Runs a word count on two coordinators, of which etcd says who leads, and three workers, each a process, and etcd as one
# of its own: kills the leader, lets it stand still for longer than its lease, kills etcd, stops the one and the other.
# Each coordinator has a checkpoint directory of its own, and gets what it lacks from workers; in `shared` both have one.
# Compares what was committed with what coreutils count.
#
#   tests/process/ha.sh [SCENARIO...]     all unless told otherwise: killed frozen shared etcd stopped
#
# BUILD_DIR names the build directory (default: build), HA_MB the size of the text, HA_LIMIT how many milliseconds it may
# take from a kill of the leader until another coordinator runs the job (default: 5000). Prints how long it took. Stops at
# the first difference and keeps everything that led to it.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/killed_word_count.sh"
source "$(dirname "${BASH_SOURCE[0]}")/processes.sh"
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
build=$(realpath "${BUILD_DIR:-build}")
program=$build/samples/word_count
[[ $# -gt 0 ]] || set -- killed frozen shared etcd stopped

if [[ ! -x $program ]]; then
  echo "ha.sh: no $program: build it first, or set BUILD_DIR" >&2
  exit 2
fi
if ! command -v etcd >/dev/null; then
  echo "ha.sh: SKIPPED, nothing was tested: there is no etcd (tests/install-dependencies.sh installs it)" >&2
  exit 77
fi

work=$(mktemp -d -p "$build" ha-XXXXXX)
declare -A process # by name: etcd, a, b, 0, 1, 2
stop() {
  trap - EXIT INT TERM
  kill_all
  rm -rf "$work"
}
trap stop EXIT
trap 'stop; exit 130' INT TERM
scenario=none
give_up() {
  trap - EXIT
  kill_all
  echo "FAILED: $scenario: $*"
  echo "everything is kept in $work"
  tail -n 15 "$work"/*.log | sed 's/^/    /'
  exit 1
}

start_etcd() {
  etcd --data-dir "$work/etcd" --listen-client-urls "http://127.0.0.1:$etcd_port" \
    --advertise-client-urls "http://127.0.0.1:$etcd_port" --listen-peer-urls "http://127.0.0.1:$peer_port" \
    --heartbeat-interval 20 --election-timeout 200 --log-level error >>"$work/etcd.log" 2>&1 </dev/null &
  process[etcd]=$!
}
start_coordinator() { # NAME
  local name=$1 directory=$work/checkpoints${shared:-/$1}
  "$program" coordinator --ha "etcd://127.0.0.1:$etcd_port" --listen 127.0.0.1:0 --input "$work/input" \
    --output "$work/output" --checkpoint-dir "$directory" --checkpoint-interval 200ms --parallelism 3 \
    --cluster-timeout 1s --log-level debug >>"$work/coordinator-$name.log" 2>&1 </dev/null &
  process[$name]=$!
}
start_worker() { # NUMBER
  "$program" worker --ha "etcd://127.0.0.1:$etcd_port" --slots 1 >>"$work/worker-$1.log" 2>&1 </dev/null &
  process[$1]=$!
}

count() { # NAME TEXT: lines in a coordinator's log
  grep -c -- "$2" "$work/coordinator-$1.log" || true
}
# Waits for the N-th line with a text in a coordinator's log.
await() { # NAME N TEXT [SECONDS]
  local end=$(($(milliseconds) + ${4:-20} * 1000))
  until [[ $(count "$1" "$3") -ge $2 ]]; do
    [[ $(milliseconds) -lt $end ]] || give_up "coordinator $1 does not say \"$3\""
    sleep 0.02
  done
}

count_all() { cat "$work"/coordinator-?.log | grep -c -- "$1" || true; } # TEXT
await_any() { # N TEXT
  local end=$(($(milliseconds) + 20000))
  until [[ $(count_all "$2") -ge $1 ]]; do
    [[ $(milliseconds) -lt $end ]] || give_up "no coordinator says \"$2\""
    sleep 0.02
  done
}

kill_one() { # NAME
  kill -KILL "${process[$1]}"
  { wait "${process[$1]}"; } 2>/dev/null || true
}

# Coordinator a leads and has completed checkpoints, b stands by.
begin() { # SCENARIO
  local name
  scenario=$1
  echo "$scenario"
  kill_all 2>/dev/null
  rm -rf "$work/output" "$work/checkpoints" "$work/etcd" "$work"/*.log
  for name in a b c; do : >"$work/coordinator-$name.log"; done
  etcd_port=$(free_port)
  while peer_port=$(free_port); [[ $peer_port == "$etcd_port" ]]; do :; done
  start_etcd
  start_coordinator a
  await a 1 'this coordinator leads'
  start_coordinator b
  await b 1 'standing by'
  for worker in 0 1 2; do start_worker $worker; done
  await a 2 'checkpoint complete'
}

# The job has ended, all others have heard of it, and it has counted all words once.
finish() { # COORDINATOR...
  local name status
  for name in "$@" 0 1 2; do
    status=0
    ends_within 120 "${process[$name]}" || status=$?
    [[ $status -eq 0 ]] || give_up "$name does not end with exit code 0, but $status (124: it does not end)"
  done
  committed_output "$work/output" >"$work/counted" || give_up "no committed output"
  cmp -s "$work/expected" "$work/counted" ||
    give_up "its counts differ from those of coreutils: diff $work/expected $work/counted"
  pending=$(find "$work/output" -mindepth 1 ! -name 'part-*')
  [[ -z $pending ]] || give_up "files that are not committed are left: $pending"
}

# Coordinator b runs the job from a checkpoint; sets `took`, since a moment.
takes_over_since() { # MILLISECONDS WHAT
  await b 1 'job runs from a checkpoint'
  took=$(($(milliseconds) - $1))
  echo "    $2: the standby runs the job after $took ms"
}

killed() {
  begin "the leader is killed"
  local began
  began=$(milliseconds)
  kill_one a
  takes_over_since "$began" "killed"
  [[ $took -lt ${HA_LIMIT:-5000} ]] || give_up "it took $took ms, expected less than ${HA_LIMIT:-5000}"
  # Started again, it stands by, and ends with the job.
  start_coordinator a
  await a 1 'standing by'
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
  local shared=/
  begin "the leader stands still for longer than its lease, with the directory of both"
  local began before
  kill -STOP "${process[a]}"
  await b 1 'this coordinator leads' 5
  await b 1 'cannot start here yet'
  before=$(count a 'checkpoint complete')
  kill -CONT "${process[a]}"
  began=$(milliseconds)
  takes_over_since "$began" "goes on"
  goes_on_without_leading "$before"
  # And a kill frees it at once.
  start_coordinator c
  await c 1 'standing by'
  kill_one b
  until [[ $(count a 'job runs from') -eq 2 || $(count c 'job runs from') -eq 1 ]]; do
    [[ $(milliseconds) -lt $((began + 30000)) ]] || give_up "nobody runs the job after the leader was killed"
    sleep 0.02
  done
  finish a c
}

# Coordinator a, which had completed so many checkpoints, has found that it does not lead.
goes_on_without_leading() { # CHECKPOINTS
  await a 1 'does not lead any more'
  await a 1 'standing by'
  [[ $(count a 'checkpoint complete') -eq $1 ]] || give_up "it has completed a checkpoint without leading"
}

etcd_killed() {
  begin "etcd is killed"
  kill_one etcd
  start_etcd
  await_any $(($(count_all 'checkpoint complete') + 2)) 'checkpoint complete'
  echo "    for a moment: the job goes on, started $(count_all 'job runs from') times"
  local began runs
  runs=$(count_all 'job runs from')
  kill_one etcd
  await_any 1 'does not lead any more'
  start_etcd
  began=$(milliseconds)
  await_any $((runs + 1)) 'job runs from'
  echo "    for longer than the lease: it runs again $(($(milliseconds) - began)) ms after etcd was started"
  finish a b
}

stopped() {
  begin "coordinators are stopped"
  kill -TERM "${process[b]}"
  ends_within 2 "${process[b]}" || give_up "a standby that is told to stop does not end at once with exit code 0"
  [[ $(count a 'job runs from') -eq 1 ]] || give_up "the job has restarted because a standby was stopped"
  start_coordinator b
  await b 2 'standing by'
  kill -TERM "${process[a]}"
  local name
  for name in a b 0 1 2; do
    ends_within 20 "${process[$name]}" || give_up "$name does not end with exit code 0 when the leader is stopped"
  done
  [[ $(count a 'job stopped') -eq 1 ]] || give_up "the leader does not say that the job has stopped"
  # The same words start it again. The one that leads first has not got the last checkpoint, nor have new workers.
  start_coordinator b
  await b 1 'this coordinator leads'
  start_coordinator a
  for worker in 0 1 2; do start_worker $worker; done
  await b 1 'no worker has come with it' 40
  await a 1 'job runs from a checkpoint' 40
  finish a b
}

make_texts "$work/input" "${HA_MB:-200}"
counted_by_coreutils "$work/input" >"$work/expected"
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
