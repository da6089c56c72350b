#!/bin/bash
# Installs what is missing, builds everything, and runs every test.
#
#   tests/run.sh [CTEST-OPTION...]     such as -R state, or --repeat until-fail:10
#
# BUILD_DIR names the build directory (default: build), CMAKE_OPTIONS adds options for
# cmake, such as "-DWEIR_WERROR=ON".
set -euo pipefail
cd "$(dirname "$0")/.."
build=${BUILD_DIR:-build}
read -ra options <<<"${CMAKE_OPTIONS:-}"

tests/install-dependencies.sh
cmake -G Ninja -S . -B "$build" "${options[@]}"
cmake --build "$build"
ctest --test-dir "$build" --output-on-failure --no-tests=error -j2 "$@"
