#!/bin/bash
# Measures what a checkpoint of keyed sums costs: how long any task stands still for it, how long it takes until it is on
# disk, and how many bytes are written; full ones, and incremental ones with 1, 10 and 100 percent of the keys changed.
# Medians of the checkpoints of one run, the worst pause of all of them.
#
#   bench/checkpoints.sh [KEYS...]     1000000 and 10000000 unless told otherwise
#
# BUILD_DIR names the build directory (default: build).
set -euo pipefail
cd "$(dirname "$0")/.."
[[ $# -gt 0 ]] || set -- 1000000 10000000
bench=${BUILD_DIR:-build}/bench/weir_bench
[[ -x $bench ]] || { echo "checkpoints.sh: no $bench: build it, or set BUILD_DIR" >&2; exit 1; }

show() { # KEYS BACKEND TITLE OPTION...
  local keys=$1 backend=$2 title=$3
  shift 3
  # The first checkpoints come while the keys are loaded, and the last one ends the job.
  "$bench" checkpoints --keys "$keys" --backend "$backend" --checkpoint-interval 500ms "$@" 2>&1 |
    python3 -c '
import json, statistics, sys
lines = [json.loads(line) for line in sys.stdin if "checkpoint complete" in line]
rounds = lines[-7:-1]
if len(rounds) < 6:
    sys.exit(f"checkpoints.sh: expected 7 checkpoints or more, found {len(lines)}")
def median(name):
    return statistics.median(float(line[name]) for line in rounds)
title, keys = sys.argv[1:]
print("%10s  %-32s %10.2f %10.2f %10.0f %12.2f %12.2f" % (keys, title,
      statistics.median(float(line["longest_pause_ms"]) for line in rounds),
      max(float(line["longest_pause_ms"]) for line in rounds), median("ms"),
      median("new_bytes") / 1e6, median("bytes") / 1e6))' "$backend, $title" "$keys"
}

printf '%10s  %-32s %10s %10s %10s %12s %12s\n' keys '' 'pause ms' 'worst ms' 'takes ms' 'written MB' 'holds MB'
for keys in "$@"; do
  for backend in memory lmdb; do
    show "$keys" "$backend" "full" --full --changed 1
    for changed in 1 10 100; do
      show "$keys" "$backend" "incremental, $changed % changed" --changed "$changed"
    done
  done
done
