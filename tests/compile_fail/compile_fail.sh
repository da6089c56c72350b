#!/bin/bash
# Compiles a file that must not compile and looks for what it says to expect. A file that says
# "// compiles" must compile. Usage: compile_fail.sh FILE COMPILER OPTION...
set -euo pipefail
file=$1
shift
export LC_ALL=C
status=0
output=$("$@" -fsyntax-only "$file" 2>&1) || status=$?
if grep -q '^// compiles' "$file"; then
  [[ $status -eq 0 ]] && exit 0
  echo "$output"
  echo "FAILED: $file does not compile"
  exit 1
fi
expected=$(sed -n 's|^// expect: ||p' "$file")
if [[ -z $expected ]]; then
  echo "FAILED: $file has no line '// expect: MESSAGE'"
  exit 1
fi
if [[ $status -eq 0 ]]; then
  echo "FAILED: $file compiles, and must not"
  exit 1
fi
if ! grep 'error: static' <<<"$output" | grep -qF -- "$expected"; then
  echo "$output"
  echo "FAILED: nothing above says: $expected"
  exit 1
fi
