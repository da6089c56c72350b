#!/bin/bash
# Installs a build into a temporary prefix, builds the project in consumer/ against it, out of tree,
# and runs that. Usage: package.sh BUILD_DIR CMAKE CXX_COMPILER
set -euo pipefail
build=$1 cmake=$2 compiler=$3
consumer=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/consumer
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$cmake" --install "$build" --prefix "$work/prefix" >"$work/install.log"
# A copy outside of the repository: nothing of Weir but what is installed can be found from there.
cp -r "$consumer" "$work/consumer"
launcher=$(command -v ccache || true)
"$cmake" -G Ninja -S "$work/consumer" -B "$work/build" -DCMAKE_BUILD_TYPE=Debug \
  -DCMAKE_PREFIX_PATH="$work/prefix" -DCMAKE_CXX_COMPILER="$compiler" \
  -DCMAKE_CXX_COMPILER_LAUNCHER="$launcher"
"$cmake" --build "$work/build"

"$work/prefix/bin/weir" --version >/dev/null || {
  echo "FAILED: the program weir is not installed"
  exit 1
}

"$work/build/consumer" 2>"$work/log" | LC_ALL=C sort >"$work/got" || {
  cat "$work/log"
  echo "FAILED: the consumer's job failed"
  exit 1
}
printf 'even 3\nodd 2\n' >"$work/want"
diff -u "$work/want" "$work/got" || {
  echo "FAILED: the consumer's output differs"
  exit 1
}
echo "ok: installed, found, built and run"
