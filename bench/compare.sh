#!/bin/bash
# Measures Weir against the loops by hand, in pairs: the two run one after the other, so that what
# else happens on the machine meets both.
#
#   bench/compare.sh [PAIRS]     5 pairs of each unless told otherwise
#
# BUILD_DIR names the build directory (default: build), ONLY a pattern of the rows to measure.
set -euo pipefail
cd "$(dirname "$0")/.."
source bench/measuring.sh
pairs=${1:-5}
programs=${BUILD_DIR:-build}/bench
only=${ONLY:-.}

[[ $pairs =~ ^[1-9][0-9]*$ ]] || die "'$pairs' pairs: expected a number from 1"
for program in weir_limit weir_bench do_nothing; do
  [[ -x $programs/$program ]] || die "no $programs/$program: build it, or set BUILD_DIR"
done

field() { # NAME: the member of the JSON line on standard input
  sed -n "s/.*\"$1\":\"\\{0,1\\}\\([^,\"}]*\\).*/\\1/p"
}

# One run: its checksum into $checksum and its rate into $rate.
measure() {
  local line
  line=$("$@") || die "failed: $*"
  checksum=$(field checksum <<<"$line")
  rate=$(field rate <<<"$line")
}

compare_rates() { # TITLE CHECKSUM WORKLOAD-ARGUMENTS COMMAND...: the command, and weir_limit with these arguments
  local title=$1 expected=$2 workload limits=() weirs=() ratios=() limit i
  read -ra workload <<<"$3"
  shift 3
  [[ $title =~ $only ]] || return 0
  for ((i = 0; i < pairs; ++i)); do
    measure "$programs/weir_limit" "${workload[@]}"
    [[ $checksum == "$expected" ]] || die "$title: weir_limit's checksum is $checksum, expected $expected"
    limit=$rate
    limits+=("$rate")
    measure "$@"
    [[ $checksum == "$expected" ]] || die "$title: the checksum of $* is $checksum, expected $expected"
    weirs+=("$rate")
    ratios+=("$(awk "BEGIN { print $rate / $limit }")")
  done
  awk -v title="$title" \
    -v lm="$(printf '%s\n' "${limits[@]}" | median)" -v lb="$(printf '%s\n' "${limits[@]}" | largest)" \
    -v wm="$(printf '%s\n' "${weirs[@]}" | median)" -v wb="$(printf '%s\n' "${weirs[@]}" | largest)" \
    -v r="$(printf '%s\n' "${ratios[@]}" | median)" \
    'BEGIN { printf "%-34s %9.1f %9.1f %9.1f %9.1f %7.2f %7.2f\n", title, lm / 1e6, lb / 1e6, wm / 1e6, wb / 1e6, r, wb / lb }'
}

# The wall time of a whole process, in milliseconds.
wall_ms() {
  local begin end
  begin=$(date +%s%N)
  "$@" >/dev/null || die "failed: $*"
  end=$(date +%s%N)
  awk "BEGIN { print ($end - $begin) / 1e6 }"
}

compare_start() { # TITLE WEIR-ARGUMENTS
  local title=$1 nothing=() weirs=() i
  shift
  [[ $title =~ $only ]] || return 0
  for ((i = 0; i < 4 * pairs; ++i)); do
    nothing+=("$(wall_ms "$programs/do_nothing")")
    weirs+=("$(wall_ms "$programs/weir_bench" start "$@")")
  done
  printf '%-34s %9.1f %9.1f %9.1f %9.1f\n' "$title" \
    "$(printf '%s\n' "${nothing[@]}" | median)" "$(printf '%s\n' "${nothing[@]}" | smallest)" \
    "$(printf '%s\n' "${weirs[@]}" | median)" "$(printf '%s\n' "${weirs[@]}" | smallest)"
}

expect_checksum() { # TITLE LINE LIMIT-ARGUMENTS: that keyed-sum by hand has the same
  local found expected title=$1
  found=$(field checksum <<<"$2")
  shift 2
  expected=$("$programs/weir_limit" keyed-sum "$@" | field checksum)
  [[ $found == "$expected" ]] || die "$title: the checksum is $found, expected $expected"
}

# Latency of 200,000 records a second, in microseconds.
show_latency() { # TITLE WEIR-ARGUMENTS
  local title=$1 line
  shift
  [[ $title =~ $only ]] || return 0
  line=$("$programs/weir_bench" latency "$@") || die "failed: latency $*"
  expect_checksum "$title" "$line" --keys 100000 --records 4000000
  printf '%-34s %9s %9s %9s %9s %7s\n' "$title" "$(field p50_us <<<"$line")" "$(field p99_us <<<"$line")" \
    "$(field p999_us <<<"$line")" "$(field max_us <<<"$line")" "$(field cores <<<"$line")"
}

# Milliseconds from the failure of a task, or the start of a process after a kill, to the first result.
show_recovery() { # TITLE task|process
  local title=$1 directory line began status times=() i
  [[ $title =~ $only ]] || return 0
  directory=$(mktemp -d)
  for ((i = 0; i < pairs; ++i)); do
    if [[ $2 == task ]]; then
      line=$("$programs/weir_bench" recovery --checkpoint-interval 1s 2>/dev/null) || die "failed: recovery"
      times+=("$(field recovery_ms <<<"$line")")
    else
      status=0
      "$programs/weir_bench" recovery --checkpoint-interval 1s --dir "$directory" --fail process &>/dev/null || status=$?
      [[ $status -eq 137 ]] || die "$title: the first process ended with $status, expected 137: killed"
      began=${EPOCHREALTIME/[.,]/}
      line=$("$programs/weir_bench" recovery --checkpoint-interval 1s --dir "$directory" --fail none) ||
        die "failed: recovery after a kill"
      times+=("$(awk "BEGIN { print ($(field first_result_unix_us <<<"$line") - $began) / 1000 }")")
    fi
    [[ $(field restored <<<"$line") -gt 0 ]] || die "$title: it failed before its first checkpoint: nothing was restored"
    expect_checksum "$title" "$line" --keys 1000000 --records 100000000
  done
  rm -r "$directory"
  printf '%-34s %9.1f %9.1f\n' "$title" "$(printf '%s\n' "${times[@]}" | median)" \
    "$(printf '%s\n' "${times[@]}" | smallest)"
}

describe_machine
echo "$pairs pairs each; millions of records a second; ratio: median of the pairs, and best to best"
printf '%-34s %9s %9s %9s %9s %7s %7s\n' '' limit best weir best ratio best
for parallelism in 1 2; do
  for interval in '' 1s; do
    weir=(--parallelism "$parallelism")
    how=", p=$parallelism"
    if [[ $interval ]]; then
      weir+=(--checkpoint-interval "$interval")
      how+=", checkpoints $interval"
    fi
    while IFS='|' read -r title sum workload; do
      # shellcheck disable=SC2086
      compare_rates "$title$how" "$sum" "$workload" "$programs/weir_bench" $workload "${weir[@]}"
    done <<'END'
keyed-sum 1k|eb63c51fd450ead7|keyed-sum --keys 1000
keyed-sum 100k|cf93bb5bd58f6a14|keyed-sum --keys 100000
keyed-sum 1M|f92d1b2c9d12f4a5|keyed-sum --keys 1000000
window-sum|9b4dabc97c0ea98d|window-sum
sliding-sum|fa902be305fb1878|sliding-sum
word-count|833e6ff2390b7810|word-count
END
  done
done
while IFS='|' read -r title sum keys; do
  compare_rates "$title by hand, 2 threads" "$sum" "keyed-sum --keys $keys" \
    "$programs/weir_limit" keyed-sum-on-two --keys "$keys"
done <<'END'
keyed-sum 1k|eb63c51fd450ead7|1000
keyed-sum 100k|cf93bb5bd58f6a14|100000
keyed-sum 1M|f92d1b2c9d12f4a5|1000000
END
echo
echo "milliseconds from the start of a process to its end"
printf '%-34s %9s %9s %9s %9s\n' '' nothing best weir best
for parallelism in 1 2; do
  compare_start "start, p=$parallelism" --parallelism "$parallelism"
  compare_start "start, p=$parallelism, checkpoints 1s" --parallelism "$parallelism" --checkpoint-interval 1s
done
echo
printf '%-34s %9s %9s %9s %9s %7s\n' 'latency of 200,000 records/s, us' p50 p99 p99.9 max cores
show_latency "latency"
show_latency "latency, checkpoints 1s" --checkpoint-interval 1s
show_latency "latency, checkpoints 100ms" --checkpoint-interval 100ms
echo
printf '%-34s %9s %9s\n' 'ms to the first result' median best
show_recovery "recovery of a task, 1M keys" task
show_recovery "recovery of a process, 1M keys" process
