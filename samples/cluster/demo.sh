#!/bin/bash
# What README.md shows with three terminals, in one go: counts words with a coordinator and two workers, kills a worker
# and then the coordinator, starts each again, and compares the result with that of coreutils.
#
#   samples/cluster/demo.sh               three processes of this machine
#   samples/cluster/demo.sh machines      each on a machine of its own, as far as the network goes: a network namespace
#
# BUILD_DIR names the build directory (default: build). Leaves nothing behind.
set -euo pipefail
root=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../..")
source "$root/tests/process/killed_word_count.sh"
source "$root/tests/process/network_namespaces.sh"
if [[ $# -gt 1 || ${1:-machines} != machines ]]; then
  echo "demo.sh: expected nothing or the word machines, found '$*'" >&2
  exit 2
fi
cd "$root"
build=$(realpath "${BUILD_DIR:-build}")
program=$build/samples/word_count
need_programs "$program"
inside=()
address[coordinator]=127.0.0.1
port=$(free_port)
if [[ $# -eq 1 ]]; then
  enter_namespaces "$@"
  has_namespaces || exit 1
  make_machines coordinator worker-1 worker-2
fi
make_work "$build"
declare -A process=()

start() { # NAME
  local arguments=(worker --join "${address[coordinator]}:$port" --slots 1)
  [[ $1 != coordinator ]] || arguments=(coordinator --listen "${address[coordinator]}:$port" --parallelism 2
    --input "$work/texts" --output "$work/counts" --checkpoint-dir "$work/state" --checkpoint-interval 500ms)
  ! has_namespaces || enter "$1"
  echo "$1: word_count ${arguments[*]//$work\//}"
  "${inside[@]}" "$program" "${arguments[@]}" </dev/null \
    > >(sed -u "s/^[-0-9T:.Z]* /    $1: /; s|$work/||g" | tee -a "$work/$1.log") 2>&1 &
  process[$1]=$!
}
kill_process() { # NAME
  echo "kill -KILL $1"
  kill -KILL "${process[$1]}" 2>/dev/null || give_up "$1 has ended already: it was to be killed in the middle"
  { wait "${process[$1]}"; } 2>/dev/null || true
}
has_run() { # TIMES
  [[ $(grep -c 'job runs' "$work/coordinator.log" 2>/dev/null) -eq $1 ]]
}
has_stopped() { grep -q 'waiting for workers.* slots=1' "$work/coordinator.log"; }

echo "Making 800 MB of text out of /usr/share/common-licenses, most of them the same file under other names ..."
make_texts "$work/texts" 100
counted_by_coreutils "$work/texts" | awk '{ print $1 "\t" 8 * $2 }' >"$work/expected"
for copy in 2 3 4 5 6 7 8; do
  for ((i = 1; i <= 8; ++i)); do ln "$work/texts/text-$i" "$work/texts/text-$i-$copy"; done
done
start coordinator
start worker-1
start worker-2
await "job that runs" has_run 1
sleep 1
kill_process worker-2
await "coordinator that waits for another worker" has_stopped
start worker-2
await "job that runs again" has_run 2
sleep 1
kill_process coordinator
start coordinator
await "job that runs again" has_run 3
for name in coordinator worker-1 worker-2; do
  wait "${process[$name]}" || give_up "$name ended with exit code $?"
done
expect_output "$work/counts" "$work/expected"
echo "All have ended, and the counts are those of tr, sort and uniq: no word is lost, and none is counted twice."
