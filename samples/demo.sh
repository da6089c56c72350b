#!/bin/bash
# Shows what Weir is for: counts the words of 100 MB of text, kills the process several times in the
# middle, starts it again with the same command, and compares the result with that of coreutils.
#
#   samples/demo.sh [SEED]
#
# Installs what is missing, and leaves nothing behind but build/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source tests/process/killed_word_count.sh
seed=${1:-$((RANDOM * 32768 + RANDOM))}
if [[ ! $seed =~ ^[0-9]+$ ]]; then
  echo "usage: samples/demo.sh [SEED], a number" >&2
  exit 2
fi
say() { echo "  $*"; }

echo "Building the word_count sample ..."
tests/install-dependencies.sh
log=$(mktemp)
if ! { cmake -G Ninja -S . -B build && cmake --build build --target word_count; } >"$log" 2>&1; then
  cat "$log" >&2
  rm -f "$log"
  echo "demo.sh: the build failed" >&2
  exit 1
fi
rm -f "$log"

work=$(mktemp -d -p build demo-XXXXXX)
stop() {
  trap - EXIT INT TERM
  kill -KILL $(jobs -p) 2>/dev/null || true
  rm -rf "$work"
}
trap stop EXIT
trap 'stop; exit 130' INT TERM

echo "Making 100 MB of text out of /usr/share/common-licenses ..."
make_texts "$work/input" 100
command=(build/samples/word_count run --input "$work/input" --output "$work/output"
  --checkpoint-dir "$work/checkpoints" --checkpoint-interval 50ms --parallelism 2)
echo "Counting its words, and killing the process at random moments (seed $seed):"
say "${command[*]}"
RANDOM=$((seed % 32768))
status=0
run_with_kills 5 250 "$work/log" "${command[@]}" || status=$?
if [[ $status -ne 0 ]]; then
  trap - EXIT
  tail -n 20 "$work/log" >&2
  echo "FAILED: word_count ended with exit code $status (everything is kept in $work)"
  exit 1
fi
say "it came to its end, after $kills kills"
echo "Counting the same words with tr, sort and uniq ..."
counted_by_coreutils "$work/input" >"$work/expected"
committed_output "$work/output" >"$work/counted"
words=$(wc -l <"$work/expected")
total=$(awk '{ n += $2 } END { print n }' "$work/expected")
if ! cmp -s "$work/expected" "$work/counted"; then
  trap - EXIT
  diff "$work/expected" "$work/counted" | head -n 20 || true
  echo "FAILED: the results differ (seed $seed; everything is kept in $work)"
  exit 1
fi
if [[ $kills -eq 0 ]]; then
  echo "FAILED: the process was never killed in the middle (seed $seed)"
  exit 1
fi
echo "The results are equal: $total words, $words different ones, none lost and none counted twice,"
echo "although the process was killed $kills times in the middle."
