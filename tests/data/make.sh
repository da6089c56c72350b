#!/usr/bin/env bash
# Writes the checkpoints of this folder again, as the programs of a build directory write them, and beside each
# what is in it. Only for a format that has none yet, or that no release has written: files of released formats
# stay as they are.
#
#   make.sh [BUILD_DIR]     default: build
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")"
data=$PWD

die() {
  echo "make.sh: $*" >&2
  exit 1
}

build=$(realpath "${1:-../../build}")
samples=$build/samples
weir=$build/bin/weir
[[ -x $weir ]] || die "expected a build directory, found no $weir: build first, and name the directory"

work=$(mktemp -d)
job=
trap '[[ -z $job ]] || kill -KILL "$job" 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"

repeat() { # TIMES TEXT
  local i
  for ((i = 0; i < $1; ++i)); do printf "$2"; done
}

start() { # SAMPLE OPTION...: a job with its checkpoints in `state`
  local sample=$1
  shift
  rm -rf state out
  "$samples/$sample" --checkpoint-dir state --checkpoint-interval 10ms "$@" >printed 2>log &
  job=$!
}

stop() { # as a user does; fails if the job came to its end before
  kill -TERM "$job" 2>/dev/null || true
  finish
  grep -q 'job stopped' log
}

finish() {
  wait "$job" || die "a job ended with $?: $(cat log)"
  job=
}

run_some() { # SAMPLE OPTION...: stops a job in the middle
  local try
  for ((try = 0; try < 20; ++try)); do
    start "$@"
    wait_for 2 checkpoints
    stop && return
  done
  die "$1 ends before it can be stopped: run make.sh again, on a machine that does nothing else"
}

checkpoints() {
  "$weir" checkpoints ls state 2>/dev/null | tail -n +2 | wc -l
}

rows() { # OPERATOR STATE
  "$weir" state scan state "$1" "$2" 2>/dev/null | wc -l
}

wait_for() { # NUMBER COMMAND...: until the command prints at least that number
  local number=$1 i
  shift
  for ((i = 0; i < 3000; ++i)); do
    [[ $("$@") -ge $number ]] && return
    kill -0 "$job" 2>/dev/null || return 0
    sleep 0.01
  done
  die "'$*' does not come to $number: $(cat log)"
}

send() { # PORT: standard input, as soon as somebody listens there
  local i
  for ((i = 0; i < 3000; ++i)); do
    (: >"/dev/tcp/127.0.0.1/$1") 2>/dev/null && break
    sleep 0.01
  done
  cat >"/dev/tcp/127.0.0.1/$1"
}

keep_directory() { # NAME FILE...
  local name=$1
  shift
  mkdir "new/$name"
  cp "$@" "new/$name"
}

keep_savepoint() { # NAME [OPTION...]
  local name=$1
  shift
  "$weir" savepoint export state "new/$name.weir" "$@" >/dev/null
}

mkdir new

# The inputs are made again by load.test.py, which lets the jobs go on.
# After the first line only a few counts change, so checkpoints refer to older ones and add to them.
{ echo {a..j}{a..j}; repeat 500000 'To be, or not to be:\nthat is the question.\n'; } >words.txt
run_some word_count --input words.txt --output out --key-groups 4
keep_directory word_count state/checkpoints.mdb
run_some word_count --input words.txt --output out --key-groups 4 --state-backend directory
keep_directory word_count_as_files state/*.weir state/attempt

repeat 500000 '1 ann /\n4 b\xc3\xb6b /cart\n9 ann /pay\n' >clicks.txt
run_some sessions --input clicks.txt --state-backend directory
keep_directory sessions state/*.weir state/attempt

repeat 500000 '61 a b a\n55 c\n' >spoken.txt
run_some top_n --input spoken.txt --most 2
keep_savepoint top_n

printf '1 ann 10.0.0.1 Oslo 08:00\n2 bob 10.0.0.2 Rome 08:05\n' >logins.txt
start login_check --input logins.txt
finish
keep_savepoint login_check

printf 'kitchen 20\nhall 18.25\nkitchen 23\n' >readings.txt
start average --input readings.txt
finish
keep_savepoint average

# Many checkpoints, of which one in the middle is kept: with records under way, and with changes of key groups.
seq 200 -1 1 | awk '{ print $1 - 1, $1 }' >edges.txt
for ((try = 0; try < 20; ++try)); do
  start connected_components --input edges.txt --output out --parallelism 2 --key-groups 2 \
    --checkpoint-mode unaligned --checkpoint-interval 1ms --checkpoint-retained 1000
  finish
  taken=$(checkpoints)
  [[ $taken -lt 7 ]] || break
done
[[ $taken -ge 7 ]] ||
  die "connected_components takes too few checkpoints: run make.sh again, on a machine that does nothing else"
keep_savepoint connected_components --at $((taken - 3))

port=$((20000 + RANDOM % 10000))
start buffering_sink --port "$port" --threshold 3
printf 'a\nb\n' | send "$port"
wait_for 2 rows print waiting
stop
keep_savepoint buffering_sink

start buy_path --actions-port "$port" --rules-port "$((port + 1))" --parallelism 2
printf 'web 2\n' | send "$((port + 1))"
wait_for 1 rows path rules
printf 'ann web visit\nbob shop visit\n' | send "$port"
wait_for 2 rows path steps
stop
keep_savepoint buy_path

format=$(od -An -tu4 -j8 -N4 new/buy_path.weir | tr -d ' ')
for made in new/*; do
  "$data/../format/read_checkpoint.py" "$made" | /usr/bin/python3 -m json.tool --compact >"${made%.weir}.json"
done
rm -rf "$data/format-$format"
mv new "$data/format-$format"
