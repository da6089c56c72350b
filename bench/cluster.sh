#!/bin/bash
# Measures keyed-sum in two worker processes of this machine beside the same parallelism in one process, in pairs: the two
# run one after the other, so that what else happens on the machine meets both.
#
#   bench/cluster.sh [PAIRS]     5 pairs of each unless told otherwise
#
# From the first record that a sink gets to the last one: the start of processes is not in it. BUILD_DIR names the build
# directory (default: build), ONLY a pattern of the rows to measure.
set -euo pipefail
cd "$(dirname "$0")/.."
source bench/measuring.sh
pairs=${1:-5}
program=${BUILD_DIR:-build}/bench/weir_cluster
[[ $pairs =~ ^[1-9][0-9]*$ ]] || die "'$pairs' pairs: expected a number from 1"
[[ -x $program ]] || die "no $program: build it, or set BUILD_DIR"
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT

# One run: millions of records a second into $rate, nanoseconds of processor time for each into $processor, and $checksum.
measure() { # RECORDS OPTION...
  local began=() ended=() n=0 sum=0 first last count part TIMEFORMAT='%U %S'
  rm -rf "$directory/state"
  { time "$program" run --parallelism 2 --log-level warning --records "$@" >"$directory/lines"; } 2>"$directory/time" ||
    die "failed: $*"
  while read -r first last count part; do
    began+=("$first")
    ended+=("$last")
    n=$((n + count))
    sum=$((sum + 16#$part))
  done <"$directory/lines"
  [[ $n -eq $1 ]] || die "expected $1 records, found $n: $*"
  checksum=$sum
  rate=$(awk "BEGIN { print $n / ($(printf '%s\n' "${ended[@]}" | largest) - $(printf '%s\n' "${began[@]}" | smallest)) }")
  processor=$(awk -v n="$n" '{ print ($1 + $2) * 1e9 / n }' <(tail -n 1 "$directory/time"))
}

compare() { # TITLE RECORDS OPTION...
  local title=$1 ones=() twos=() ratios=() of_one=() of_two=() one i expected
  shift
  [[ $title =~ ${ONLY:-.} ]] || return 0
  for ((i = 0; i < pairs; ++i)); do
    measure "$@"
    one=$rate expected=$checksum
    ones+=("$rate")
    of_one+=("$processor")
    measure "$@" --workers 2
    [[ $checksum -eq $expected ]] || die "$title: the checksums of one process and of two workers differ"
    twos+=("$rate")
    of_two+=("$processor")
    ratios+=("$(awk "BEGIN { print $rate / $one }")")
  done
  printf '%-34s %8.1f %8.1f %8.1f %8.1f %7.2f %7.2f %8.1f %8.1f\n' "$title" \
    "$(printf '%s\n' "${ones[@]}" | median)" "$(printf '%s\n' "${ones[@]}" | largest)" \
    "$(printf '%s\n' "${twos[@]}" | median)" "$(printf '%s\n' "${twos[@]}" | largest)" \
    "$(printf '%s\n' "${ratios[@]}" | median)" \
    "$(awk "BEGIN { print $(printf '%s\n' "${twos[@]}" | largest) / $(printf '%s\n' "${ones[@]}" | largest) }")" \
    "$(printf '%s\n' "${of_one[@]}" | median)" "$(printf '%s\n' "${of_two[@]}" | median)"
}

describe_machine
echo "$pairs pairs each; millions of records a second; ratio: median of the pairs, and best to best; ns of processor time"
printf '%-34s %8s %8s %8s %8s %7s %7s %8s %8s\n' '' one best two best ratio best 'ns one' 'ns two'
for interval in '' 1s; do
  checkpoints=()
  how=
  if [[ $interval ]]; then
    checkpoints=(--checkpoint-dir "$directory/state" --checkpoint-interval "$interval")
    how=", checkpoints $interval"
  fi
  compare "keyed-sum 1k$how" 100000000 --keys 1000 "${checkpoints[@]}"
  compare "keyed-sum 100k$how" 100000000 --keys 100000 "${checkpoints[@]}"
  compare "keyed-sum 1M$how" 60000000 --keys 1000000 "${checkpoints[@]}"
done
