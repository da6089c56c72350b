#!/bin/bash
# Measures what grows with the number of tasks, keys and operators. Each figure is the best of some runs.
#
#   bench/scale.sh [RUNS]     3 of each unless told otherwise
#
# BUILD_DIR names the build directory (default: build).
set -euo pipefail
cd "$(dirname "$0")/.."
runs=${1:-3}
bench=${BUILD_DIR:-build}/bench/weir_bench
[[ $runs =~ ^[1-9][0-9]*$ ]] || { echo "scale.sh: '$runs' runs: expected a number from 1" >&2; exit 2; }
[[ -x $bench ]] || { echo "scale.sh: no $bench: build it, or set BUILD_DIR" >&2; exit 1; }

show() { # TITLE WEIR-ARGUMENTS
  local title=$1 i
  shift
  for ((i = 0; i < runs; ++i)); do
    "$bench" "$@"
  done | sed 's/.*"seconds":\([^,]*\),"rate":\([^,]*\),"rss_mb":\([^,]*\),.*/\2 \1 \3/' | sort -gr | head -n 1 |
    awk -v title="$title" '{ printf "%-34s %12.2f %10.3f %8d\n", title, $1 / 1e6, $2, $3 }'
}

printf '%-34s %12s %10s %8s\n' '' 'M records/s' seconds MB
for parallelism in 1 2 4 8 16 32; do
  show "keyed-sum 1k, $((2 * parallelism)) tasks" keyed-sum --parallelism "$parallelism"
done
for keys in 1000 10000 100000 1000000 10000000 50000000; do
  show "keyed-sum, $keys keys, p=2" keyed-sum --keys "$keys" --parallelism 2 \
    --records $((keys > 10000000 ? 100000000 : 20000000))
done
for operators in 1 10 100 1000 10000; do
  show "chain of $operators maps" chain --operators "$operators" --records $((100000000 / (operators + 10)))
  show "$operators sinks behind a source" fan-out --operators "$operators" --records $((100000000 / (operators + 10)))
done
