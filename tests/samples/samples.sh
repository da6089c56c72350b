#!/usr/bin/env bash
# Runs each sample as a user would and compares its output with what it must be.
# Usage: samples.sh BINARY_DIR SAMPLE
set -euo pipefail
export LC_ALL=C

bin=$(cd "$1" && pwd)
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"

expect() { # WHAT: compares the files `got` and `want`
  diff -u want got || { echo "FAILED: $1"; exit 1; }
  echo "ok: $1"
}

case "$2" in
word_count)
  mkdir in
  printf 'To be, or not to be:\nthat is the question.\n' > in/hamlet.txt
  printf 'The the THE' > in/more.txt
  "$bin/word_count" --input in --output out --checkpoint-dir state --parallelism 2
  printf 'be\t2\nis\t1\nnot\t1\nor\t1\nquestion\t1\nthat\t1\nthe\t4\nto\t2\n' > want
  cat out/part-* | sort > got
  expect "one line per word with its final count"
  "$bin/word_count" --input in --output out --checkpoint-dir state --parallelism 2
  cat out/part-* | sort > got
  expect "starting a finished job again changes nothing"
  if "$bin/word_count" --input in --output out 2> log; then
    echo "FAILED: output of an earlier run was accepted"; exit 1
  fi
  grep -q "out" log && echo "ok: output of an earlier run is refused: $(tail -n 1 log)"
  ;;
socket_word_count)
  port=$((20000 + RANDOM % 20000))
  mkfifo lines
  nc -l 127.0.0.1 "$port" < lines > /dev/null &
  peer=$!
  exec 3> lines
  "$bin/socket_word_count" --host 127.0.0.1 --port "$port" > got &
  job=$!
  printf 'a b a\n' >&3
  for _ in $(seq 200); do [ "$(wc -l < got)" -ge 3 ] && break; sleep 0.05; done
  printf 'A, b!\n' >&3
  for _ in $(seq 200); do [ "$(wc -l < got)" -ge 5 ] && break; sleep 0.05; done
  kill "$peer"
  wait "$job"
  sort got -o got
  printf 'a\t1\na\t2\na\t3\nb\t1\nb\t2\n' > want
  expect "each word's new count, and an end when the peer closes"
  ;;
exactly_once_pipeline)
  "$bin/exactly_once_pipeline" --records 2000000 --output plain 2> log
  cat plain/part-* | sort > want
  [ "$(wc -l < want)" -eq 1000 ] || { echo "FAILED: expected 1000 accounts"; exit 1; }
  "$bin/exactly_once_pipeline" --records 2000000 --output failing --checkpoint-dir state \
    --checkpoint-interval 20ms --fail-every 300000 --parallelism 2 2> log
  grep -q "failing on purpose" log || { echo "FAILED: nothing failed"; cat log; exit 1; }
  cat failing/part-* | sort > got
  expect "the same sums with $(grep -c 'job failed' log) failures on the way"
  ;;
*)
  echo "no such sample: $2"; exit 2
  ;;
esac
