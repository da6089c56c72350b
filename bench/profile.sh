#!/bin/bash
# Shows where the time of a workload goes.
#
#   bench/profile.sh WORKLOAD [OPTION...]     the options of weir_bench
#
# BUILD_DIR names the build directory (default: build), PROGRAM the program (default: weir_bench). The
# profile stays in $BUILD_DIR/profile.data for `perf annotate -i`.
set -euo pipefail
cd "$(dirname "$0")/.."
build=${BUILD_DIR:-build}
program=$build/bench/${PROGRAM:-weir_bench}
if [[ $# -eq 0 ]]; then
  sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
if ! command -v perf >/dev/null; then
  echo "profile.sh: no perf: install it (Debian: linux-perf)" >&2
  exit 1
fi
# cpu-clock works in virtual machines, which often have no hardware counters.
perf record --quiet --event cpu-clock --freq 5000 --call-graph fp --output "$build/profile.data" \
  "$program" "$@"
perf report --input "$build/profile.data" --stdio --no-children --call-graph none \
  --sort symbol --percent-limit 0.5 2>/dev/null | grep -v '^#' | sed '/^$/d' | cut -c 1-220
