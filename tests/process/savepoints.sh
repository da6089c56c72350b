#!/bin/bash
# Has a word count over 200 MB of text stopped with a savepoint, started from it elsewhere with another parallelism and
# backend, killed, cancelled and drained, at random moments, and compares what it committed with what coreutils count.
# Does so N times.
#
#   tests/process/savepoints.sh [N] [SEED]    once, and with a random seed, unless told otherwise
#
# BUILD_DIR names the build directory (default: build). Stops at the first difference and keeps everything that led to
# it.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/killed_word_count.sh"
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
read_arguments 1 "$@"
program=$build/samples/word_count
weir=$build/bin/weir
need_programs "$program" "$weir"
make_work "$build"

begin_job() { # CHECKPOINT_DIRECTORY OPTION...: leaves its process in `job`
  local directory=$1
  shift
  "$program" run --input "$work/input" --output "$work/output" --checkpoint-dir "$directory" \
    --checkpoint-interval 50ms "$@" >>"$work/log" 2>&1 </dev/null &
  job=$!
}

# Waits until the job can be told something and has a complete checkpoint, then for a random moment.
let_it_run() { # CHECKPOINT_DIRECTORY
  local i
  for ((i = 0; i < 600; ++i)); do
    "$weir" checkpoints show "$1" "$("$weir" checkpoints ls "$1" --json 2>/dev/null | grep -oE '"id":[0-9]+' |
      tail -1 | cut -d: -f2)" >"$work/shown" 2>/dev/null && [[ -S $1/control ]] && break
    sleep 0.05
  done
  [[ $i -lt 600 ]] || give_up "no checkpoint within 30 s"
  sleep "0.0$((10 + RANDOM % 90))"
}

end_of_job() { # EXPECTED EXIT CODE
  local status=0
  { wait "$job"; } 2>/dev/null || status=$?
  [[ $status -eq $1 ]] || give_up "expected the job to end with exit code $1, found $status"
}

echo "seed $seed"
make_texts "$work/input" 200
counted_by_coreutils "$work/input" >"$work/expected"
for ((run = 1; run <= runs; ++run)); do
  RANDOM=$(((seed + run) % 32768))
  rm -rf "$work"/{output,first,second,kept,moved,drained,log}
  echo "run $run of $runs"

  begin_job "$work/first" --parallelism 2
  let_it_run "$work/first"
  "$weir" savepoint "$work/first" "$work/kept/" >"$work/told" || give_up "weir savepoint: $(cat "$work/told")"
  [[ $(find "$work/kept" -name '*.weir' | wc -l) -eq 1 ]] || give_up "expected one savepoint in $work/kept"
  "$weir" stop "$work/first" --savepoint "$work/stopped.weir" >"$work/told" || give_up "weir stop: $(cat "$work/told")"
  end_of_job 0
  [[ ! -e $work/first/control ]] || give_up "the socket is left behind"
  echo "    a savepoint of the running job; stopped with another: $(head -1 "$work/told" | sed 's/.*: //')"

  # On another machine there is nothing but the file.
  rm -rf "$work/first"
  mkdir "$work/moved"
  mv "$work/stopped.weir" "$work/moved/"
  begin_job "$work/second" --from "$work/moved/stopped.weir" --parallelism 3 --state-backend lmdb
  let_it_run "$work/second"
  kill -KILL "$job"
  end_of_job 137
  begin_job "$work/second" --from "$work/moved/stopped.weir" --parallelism 1
  let_it_run "$work/second"
  "$weir" cancel "$work/second" >"$work/told" || give_up "weir cancel: $(cat "$work/told")"
  end_of_job 0
  echo "    went on from it elsewhere; killed, and cancelled"

  begin_job "$work/second" --parallelism 2
  end_of_job 0
  expect_output "$work/output" "$work/expected"
  echo "    same counts as coreutils; no pending part left"

  # Drained, a job has finished for good.
  rm -rf "$work/output"
  begin_job "$work/drained" --parallelism 2
  let_it_run "$work/drained"
  "$weir" stop "$work/drained" --drain >"$work/told" || give_up "weir stop --drain: $(cat "$work/told")"
  grep -qx "the job has finished" "$work/told" || give_up "expected it to have finished, found: $(cat "$work/told")"
  end_of_job 0
  committed_output "$work/output" >"$work/counted" || give_up "no committed output"
  [[ $(wc -l <"$work/counted") -gt 0 ]] || give_up "nothing came out when it was drained"
  begin_job "$work/drained" --parallelism 2
  end_of_job 0
  committed_output "$work/output" | cmp -s - "$work/counted" || give_up "a drained job went on when it was started again"
  echo "    drained, and started again: nothing changed"
done
if "$weir" stop "$work/drained" 2>"$work/told"; then
  give_up "weir stop found a job where none runs"
fi
grep -q "none runs with it as checkpoint.dir" "$work/told" || give_up "expected it to say that none runs: $(cat "$work/told")"
echo "passed: $runs runs, seed $seed"
