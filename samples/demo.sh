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
read_seed "${1:-}"
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

make_work build

echo "Making 100 MB of text out of /usr/share/common-licenses ..."
make_texts "$work/input" 100
command=(build/samples/word_count run --input "$work/input" --output "$work/output"
  --checkpoint-dir "$work/checkpoints" --checkpoint-interval 50ms --parallelism 2)
echo "Counting its words, and killing the process at random moments (seed $seed):"
say "${command[*]}"
RANDOM=$((seed % 32768))
status=0
run_with_kills 5 250 "$work/log" "${command[@]}" || status=$?
[[ $status -eq 0 ]] || give_up "word_count ended with exit code $status"
say "it came to its end, after $kills kills"
echo "Counting the same words with tr, sort and uniq ..."
counted_by_coreutils "$work/input" >"$work/expected"
expect_output "$work/output" "$work/expected"
[[ $kills -gt 0 ]] || give_up "the process was never killed in the middle"
words=$(wc -l <"$work/expected")
total=$(awk '{ n += $2 } END { print n }' "$work/expected")
echo "The results are equal: $total words, $words different ones, none lost and none counted twice,"
echo "although the process was killed $kills times in the middle."
