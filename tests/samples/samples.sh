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

# Sends standard input to a port of this machine, as soon as somebody listens there.
send() { # PORT
  for _ in $(seq 400); do (: > "/dev/tcp/127.0.0.1/$1") 2> /dev/null && break; sleep 0.05; done
  cat > "/dev/tcp/127.0.0.1/$1"
}

wait_for_lines() { # NUMBER
  for _ in $(seq 400); do [ "$(wc -l < got)" -ge "$1" ] && return; sleep 0.05; done
  echo "FAILED: expected $1 lines, found:"; cat got; exit 1
}

stop() { # PID: as a user does, with a last checkpoint
  kill -TERM "$1"
  wait "$1" || { echo "FAILED: it ended with $?"; exit 1; }
}

port=$((20000 + RANDOM % 10000))

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
average)
  printf 'kitchen 20\nhall 18\nkitchen 22\nnot a reading\nkitchen 24.0\nhall 19\nhall warm\n' > in.txt
  "$bin/average" --input in.txt 2> log > got
  printf 'kitchen 20.000000\nhall 18.000000\nkitchen 21.000000\nkitchen 22.000000\nhall 18.500000\n' > want
  expect "the running mean of each sensor"
  ;;
late_records)
  "$bin/late_records" 2> log > got
  cat > want <<'END'
1  20:10:00  carries 20:09:58  watermark 20:09:58
2  20:10:01  carries 20:09:59  watermark 20:09:59
3  20:10:02  carries 20:10:00  watermark 20:10:00
4  20:10:00  carries 20:09:58  watermark 20:10:00
5  20:10:05  carries 20:10:03  watermark 20:10:03
6  20:10:06  carries 20:10:04  watermark 20:10:04
7  20:10:08  carries 20:10:06  watermark 20:10:06
   lateness 0 s: [20:10:00, 20:10:05) has 4 records
   lateness 5 s: [20:10:00, 20:10:05) has 4 records
8  20:10:03  carries 20:10:01  watermark 20:10:06
   lateness 0 s: 20:10:03 is late
   lateness 5 s: [20:10:00, 20:10:05) has 5 records, again
   lateness 0 s: [20:10:05, 20:10:10) has 3 records
   lateness 5 s: [20:10:05, 20:10:10) has 3 records
END
  expect "the worked case, step by step"
  ;;
top_n)
  printf '1 a b a\n12 b c\n8 a\nno time\n61 d d d d\n70 c\n' > in.txt
  "$bin/top_n" --input in.txt --most 2 2> log > got
  cat > want <<'END'
until 10 s: a 3 b 1
until 20 s: a 3 b 2
until 30 s: a 3 b 2
until 40 s: a 3 b 2
until 50 s: a 3 b 2
until 60 s: a 3 b 2
until 70 s: d 4 b 1
until 80 s: d 4 c 1
until 90 s: d 4 c 1
until 100 s: d 4 c 1
until 110 s: d 4 c 1
until 120 s: d 4 c 1
until 130 s: c 1
END
  expect "the two most frequent words of each minute"
  ;;
sessions)
  printf '0 ann /\n5 bob /\n20 ann /cart\n16 ann /shoes\nno click\n49 ann /pay\n79 ann /\n36 bob /\n' > in.txt
  "$bin/sessions" --input in.txt 2> log | sort > got
  printf '%s\n' 'ann: 1 clicks from 79 to 79 s' 'ann: 4 clicks from 0 to 49 s' 'bob: 1 clicks from 36 to 36 s' \
    'bob: 1 clicks from 5 to 5 s' | sort > want
  expect "a silence of 30 s ends a session, one of 29 s does not"
  ;;
enrichment)
  printf '1 7 lamp\n2 8 chair\n20 9 table\nno order\n' > orders.txt
  printf '11 7 19.90\n13 8 45.00\n20 9 200.00\n16 9 1.00\n30 9 5.50\n' > payments.txt
  "$bin/enrichment" --orders orders.txt --payments payments.txt 2> log | sort > got
  printf 'order 7, lamp: paid 19.90\norder 9, table: paid 200.00\norder 9, table: paid 5.50\n' > want
  expect "payments within ten seconds of their order, and no others"
  ;;
connected_components)
  # Paths of 200 vertices, whose edges come in no order: labels take many rounds.
  for component in $(seq 0 99); do
    seq $((component * 200)) $((component * 200 + 198)) | awk '{print $1, $1 + 1}'
  done | sort -R --random-source=<(yes) > edges.txt
  seq 0 19999 | awk '{print $1, int($1 / 200) * 200}' | sort > want
  command=("$bin/connected_components" --input edges.txt --output out --checkpoint-dir state
    --checkpoint-interval 5ms --parallelism 2)
  kills=0
  for delay in 0.03 0.06 0.09; do
    "${command[@]}" 2>> log & job=$!
    sleep "$delay"
    kill -KILL "$job" 2> /dev/null && kills=$((kills + 1))
    wait "$job" 2> /dev/null || true
  done
  "${command[@]}" 2>> log
  cat out/part-* | sort > got
  expect "the smallest vertex of each component, with $kills kills on the way"
  ;;
login_check)
  printf '%s\n' '1 ann 10.0.0.1 Oslo 08:00' '2 bob 10.0.0.2 Rome 08:05' '1 ann 10.0.0.1 Oslo 09:00' \
    '2 bob 10.7.0.9 Lima 09:01' 'no login' '1 ann 10.0.0.1 Oslo 10:00' '2 bob 10.7.0.9 Lima 10:30' > in.txt
  "$bin/login_check" --input in.txt 2> log > got
  echo 'ALERT bob (2) logged in from Lima, 10.7.0.9, at 09:01; the last login was from Rome, 10.0.0.2, at 08:05' > want
  expect "an alert for a login from another city, and for no other"
  ;;
buffering_sink)
  command=("$bin/buffering_sink" --port "$port" --threshold 3 --checkpoint-dir state)
  "${command[@]}" > got 2> log & job=$!
  printf 'a\nb\nc\nd\ne\n' | send "$port"
  wait_for_lines 3
  stop "$job"
  printf 'a\nb\nc\n' > want
  expect "three lines are enough; two wait"
  "${command[@]}" >> got 2>> log & job=$!
  printf 'f\n' | send "$port"
  wait_for_lines 6
  stop "$job"
  printf 'a\nb\nc\nd\ne\nf\n' > want
  expect "after a stop and a start no line is lost"
  ;;
stateful_source)
  command=("$bin/stateful_source" --count 60000 --rate 20000 --output out --checkpoint-dir state
    --checkpoint-interval 50ms)
  for parallelism in 2 3 1; do
    "${command[@]}" --parallelism "$parallelism" 2> log & job=$!
    sleep 0.5
    kill -KILL "$job"
    { wait "$job"; } 2> /dev/null || true
  done
  "${command[@]}" --parallelism 2 2> log
  sort -n out/part-* > got
  seq 0 59999 > want
  cmp got want || { echo "FAILED: the numbers are not all there once"; exit 1; }
  echo "ok: every number once, after three kills and at changing parallelism"
  ;;
buy_path | buy_path_unkeyed)
  command=("$bin/$2" --actions-port "$port" --rules-port $((port + 1)) --checkpoint-dir state)
  "${command[@]}" --parallelism 2 > got 2> log & job=$!
  printf 'web 2\nshop off\n' | send $((port + 1))
  wait_for_lines 2
  printf '%s\n' 'ann web visit' 'bob shop visit' 'ann web buy' 'bob shop buy' 'cleo web visit' | send "$port"
  wait_for_lines 3
  stop "$job"
  # Rules are still known after a restart at another parallelism.
  "${command[@]}" --parallelism 3 >> got 2>> log & job=$!
  printf '%s\n' 'cleo web buy' 'dan shop buy' | send "$port"
  wait_for_lines 4
  printf 'shop 1\n' | send $((port + 1))
  wait_for_lines 5
  printf '%s\n' 'eve shop buy' | send "$port"
  wait_for_lines 6
  stop "$job"
  if [ "$2" = buy_path ]; then
    printf '%s\n' 'rule web 2' 'rule shop off' 'ann bought by web in 2 steps' 'cleo bought by web in 2 steps' \
      'rule shop 1' 'eve bought by shop in 1 steps' > want
  else
    printf '%s\n' 'rule web 2' 'rule shop off' 'ann bought by web' 'cleo bought by web' 'rule shop 1' \
      'eve bought by shop' > want
  fi
  expect "purchases by the rules, which outlive a stop and another parallelism"
  ;;
*)
  echo "no such sample: $2"; exit 2
  ;;
esac
