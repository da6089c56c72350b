#!/bin/bash
# Runs a word count on a coordinator and three workers, each on a machine of its own, and disturbs them at random
# moments: processes are killed, some with their disks, or stand still, and the network between them is cut, in one
# direction or in both, stutters, or has a slow machine in it. Compares what was committed with what coreutils make of
# the input. Does so N times.
#
#   tests/process/cluster_chaos.sh [N] [SEED]     5 times, and a random seed, unless told otherwise
#
# The machines are network namespaces; where they cannot be made, it says so and disturbs processes alone. BUILD_DIR
# names the build directory (default: build), CHAOS_MB the size of the text, CHAOS_KINDS the kinds of disturbances, with
# spaces between them (default: all).
#
# Prints how long it took each time from the disturbance to the first output that was begun and committed after it. All
# settings that this depends on have their defaults but one: there is a checkpoint every 200 ms, since output is
# committed with them. Stops at the first difference and keeps everything that led to it.
set -euo pipefail
directory=$(dirname "${BASH_SOURCE[0]}")
source "$directory/killed_word_count.sh"
source "$directory/network_namespaces.sh"
cd "$directory/../.."
read_arguments 5 "$@"
program=$build/tests/process/paced_word_count
need_programs "$program"
enter_namespaces "$@"
make_work "$build"

workers=(worker-0 worker-1 worker-2)
slow_machine=worker-2 # its connections go through a proxy, which keeps what is sent for 50 ms in every other run
declare -A process=() # by name: those of the job, and proxy
inside=()
port=7000
if has_namespaces; then
  make_machines coordinator "${workers[@]}"
  redirect_to_proxy "$slow_machine"
else
  address[coordinator]=127.0.0.1
fi

start() { # NAME
  local arguments=(worker --join "${address[coordinator]}:$port" --slots 2 --checkpoint-dir "$work/$1.checkpoints")
  [[ $1 != coordinator ]] || arguments=(coordinator --listen "${address[coordinator]}:$port" --parallelism 3
    --input "$work/input" --lines "$work/lines" --words "$work/words" --checkpoint-dir "$work/coordinator.checkpoints"
    --checkpoint-interval 200ms)
  ! has_namespaces || enter "$1"
  "${inside[@]}" "$program" "${arguments[@]}" >>"$work/$1.log" 2>&1 </dev/null &
  process[$1]=$!
}
kill_process() { # NAME
  local status=0
  kill -KILL "${process[$1]}" 2>/dev/null || true
  { wait "${process[$1]}"; } 2>/dev/null || status=$?
  [[ $1 != coordinator || $status -eq 137 ]] || ended=$status
  process[$1]=
}
start_again() { # NAME...
  local name
  for name; do
    [[ -n ${process[$name]} || -n $ended ]] || start "$name"
  done
}
send_signal() { # SIGNAL NAME
  kill "-$1" "${process[$2]}" 2>/dev/null || true
}
in_both_directions() { # cut_link|heal_link NAME NAME...: between the first one and each of the others
  local name
  for name in "${@:3}"; do
    "$1" "$2" "$name"
    "$1" "$name" "$2"
  done
}

# Whether the job has come to its end; `ended` is its exit code if it had to be asked for already.
has_ended() {
  [[ -n $ended ]] || { [[ -n ${process[coordinator]} ]] && ! kill -0 "${process[coordinator]}" 2>/dev/null; }
}

kinds=(kill_worker kill_coordinator kill_both lose_worker lose_coordinator stop_worker stop_coordinator)
! has_namespaces || kinds+=(cut_worker_to_coordinator cut_coordinator_to_worker cut_worker_and_coordinator
  cut_worker_to_worker cut_workers cut_worker_off stutter stop_proxy)
[[ -z ${CHAOS_KINDS:-} ]] || read -ra kinds <<<"$CHAOS_KINDS"

# Workers that run tasks: they have the input open. All of them if the job does not run just now.
busy_workers() {
  local name found=()
  for name in "${workers[@]}"; do
    [[ $(readlink "/proc/${process[$name]}"/fd/* 2>/dev/null) != *"$work/input/"* ]] || found+=("$name")
  done
  [[ ${#found[@]} -gt 1 ]] || found=("${workers[@]}")
  echo "${found[@]}"
}

# Sets `what` happens now, and what ends it (`undo`) after how many milliseconds (`lasts`): more than cluster.timeout,
# whose default is 2 s, unless it is about something else.
begin_disturbance() { # KIND
  local busy number=$RANDOM worker other
  read -ra busy <<<"$(busy_workers)"
  worker=${busy[number % ${#busy[@]}]}
  other=${busy[(number + 1) % ${#busy[@]}]}
  lasts=$((2300 + RANDOM % 1000))
  case $1 in
  kill_worker)
    what="$worker killed"
    lasts=$((RANDOM % 500))
    kill_process "$worker"
    undo=(start_again "$worker")
    ;;
  kill_coordinator)
    what="coordinator killed"
    lasts=$((RANDOM % 500))
    kill_process coordinator
    undo=(start_again coordinator)
    ;;
  lose_worker | lose_coordinator)
    [[ $1 == lose_worker ]] || worker=coordinator
    what="$worker killed and its disk lost"
    lasts=$((RANDOM % 500))
    kill_process "$worker"
    rm -rf "$work/$worker.checkpoints"
    undo=(start_again "$worker")
    ;;
  kill_both)
    what="coordinator and $worker killed"
    lasts=$((RANDOM % 500))
    kill_process coordinator
    kill_process "$worker"
    undo=(start_again coordinator "$worker")
    ;;
  stop_worker | stop_coordinator)
    [[ $1 == stop_worker ]] || worker=coordinator
    what="$worker stopped"
    send_signal STOP "$worker"
    undo=(send_signal CONT "$worker")
    ;;
  cut_worker_to_coordinator | cut_coordinator_to_worker | cut_worker_to_worker)
    local from=$worker to=$other
    [[ $1 != *_to_coordinator ]] || to=coordinator
    [[ $1 != cut_coordinator_* ]] || from=coordinator to=$worker
    what="nothing reaches $to from $from"
    cut_link "$from" "$to"
    undo=(heal_link "$from" "$to")
    ;;
  cut_worker_and_coordinator | cut_workers)
    [[ $1 == cut_workers ]] || other=coordinator
    what="no network between $worker and $other"
    in_both_directions cut_link "$worker" "$other"
    undo=(in_both_directions heal_link "$worker" "$other")
    ;;
  cut_worker_off | stutter)
    local others=(coordinator "${workers[@]}")
    others=("${others[@]/#$worker/}")
    what="no network for $worker"
    [[ $1 != stutter ]] || lasts=$((200 + RANDOM % 600))
    in_both_directions cut_link "$worker" ${others[*]}
    undo=(in_both_directions heal_link "$worker" ${others[*]})
    ;;
  stop_proxy)
    what="what is sent to and from $slow_machine stands still"
    send_signal STOP proxy
    undo=(send_signal CONT proxy)
    ;;
  esac
  [[ $1 != kill_* && $1 != lose_* ]] || what+=", not there"
  what+=" for $lasts ms"
}

runs_so_far() { grep -c 'job runs from' "$work/coordinator.log" || true; }

has_joined() { grep -q joined "$work/$1.log" 2>/dev/null; }

# Whether a committed file was begun after a moment, which is in its name: part-INSTANCE-TIME-...
is_output_of_after() { # TIME
  local part time
  for part in "$work"/lines/part-*; do
    time=${part##*/part-*([0-9])-}
    [[ ! ${time%%-*} > $1 ]] || return 0
  done
  return 1
}

# One disturbance, until it is over and there is new output, or the job has ended.
disturb() { # KIND
  local since began passed output_after= before
  before=$(runs_so_far)
  began=$(milliseconds)
  begin_disturbance "$1"
  since=$(date -u +%Y%m%dT%H%M%S.%3NZ)
  until [[ -n $output_after && ${#undo[@]} -eq 0 ]]; do
    passed=$(($(milliseconds) - began))
    if [[ ${#undo[@]} -gt 0 && $passed -ge $lasts ]] || has_ended; then
      "${undo[@]}"
      undo=()
    fi
    ! has_ended || break
    [[ -n $output_after ]] || ! is_output_of_after "$since" || output_after=$passed
    [[ $passed -lt 60000 ]] || give_up "$what, and no output comes"
    sleep 0.02
  done
  if [[ -z $output_after ]]; then
    echo "    $what: the job has ended meanwhile"
    return
  fi
  echo "    $what: new output after $output_after ms"
  if [[ $(runs_so_far) -gt $before ]]; then
    echo "$1 $output_after" >>"$work/times"
  else
    echo "        and the job was not even interrupted"
  fi
}

expect_end() { # SECONDS NAME
  local status=0
  ends_within "$1" "${process[$2]}" || status=$?
  [[ $status -eq 0 ]] || give_up "$2 does not end with exit code 0, but $status (124: it does not end)"
}
# Those that had joined the job end with it by themselves; one that was busy with its joining has not heard of the end.
await_end_of_worker() { # NAME
  timeout 3 tail --pid="${process[$1]}" -f /dev/null || tail -n 1 "$work/$1.log" | grep -q joined ||
    send_signal TERM "$1"
  expect_end 20 "$1"
}

# How often the job was interrupted, and the best, the median and the worst time, for each kind and for all.
print_times() {
  sort -k1,1 -k2,2n "$work/times" | awk '
    function line(name, n, time) {
      printf "    %-28s %3d %7d %7d %7d\n", name, n, time[1], time[int((n + 1) / 2)], time[n]
    }
    BEGIN { printf "    %-28s %3s %7s %7s %7s\n", "new output after (ms)", "n", "best", "median", "worst" }
    $1 != kind { if (n) line(kind, n, time); kind = $1; n = 0 }
    { time[++n] = $2 }
    END { line(kind, n, time) }'
  sort -k2,2n "$work/times" | awk '
    { time[NR] = $2 }
    END { printf "    %-28s %3d %7d %7d %7d\n", "all", NR, time[1], time[int((NR + 1) / 2)], time[NR] }'
}

shopt -s extglob nullglob
echo "seed $seed"
make_texts "$work/input" "${CHAOS_MB:-8}"
counted_by_coreutils "$work/input" >"$work/expected-words"
LC_ALL=C sort "$work"/input/* >"$work/expected-lines"
touch "$work/times"
RANDOM=$((seed % 32768))
mapfile -t kinds < <(for kind in "${kinds[@]}"; do echo "$RANDOM $kind"; done | sort -n | sed 's/.* //')
for ((run = 1; run <= runs; ++run)); do
  RANDOM=$(((seed + run) % 32768))
  rm -rf "$work"/{lines,words} "$work"/*.checkpoints "$work"/*.log
  if has_namespaces; then
    delay=$((run % 2 * 50))
    start_proxy "$slow_machine" "$delay" >"$work/proxy.log" 2>&1
    process[proxy]=$!
    echo "run $run of $runs, with $delay ms each way between $slow_machine and the others"
  else
    port=$(free_port)
    echo "run $run of $runs"
  fi
  ended=
  start coordinator
  start "$slow_machine" # which is the last one to join otherwise, and gets no tasks
  await "worker" has_joined "$slow_machine"
  start worker-0
  start worker-1
  await "output" is_output_of_after ""
  for ((i = 0; i < 3; ++i)); do
    sleep "0.$((200 + RANDOM % 600))"
    ! has_ended || break
    kind=${kinds[0]}
    kinds=("${kinds[@]:1}" "$kind")
    disturb "$kind"
  done
  [[ ${ended:-0} -eq 0 ]] || give_up "it ended with exit code $ended"
  [[ -n $ended ]] || expect_end 120 coordinator
  for name in "${workers[@]}"; do await_end_of_worker "$name"; done
  ! has_namespaces || kill_process proxy
  expect_output "$work/words" "$work/expected-words"
  expect_output "$work/lines" "$work/expected-lines"
done
[[ -s $work/times ]] || give_up "nothing disturbed it before its end: this has tested nothing"
print_times
echo "passed: $runs runs, disturbed $(wc -l <"$work/times") times, seed $seed"
