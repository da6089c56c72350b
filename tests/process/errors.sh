#!/usr/bin/env bash
# What a user does wrong, or the disk does to him: each must be an error that says what, where and
# what to do, with an exit code other than 0, no crash, and no lost checkpoint.
# Usage: errors.sh SAMPLES_DIR
set -uo pipefail
export LC_ALL=C

bin=$(cd "$1" && pwd)
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$work"' EXIT
cd "$work" || exit 1
failures=0

# refused CODE PATTERN COMMAND...: the command must end with CODE and say PATTERN.
refused() {
  local code=$1 pattern=$2 status=0
  shift 2
  timeout 60 "$@" > said 2>&1 < /dev/null || status=$?
  if [[ $status -ne $code ]] || ! grep -qiE -- "$pattern" said; then
    echo "FAILED: expected exit code $code and '$pattern', found $status and:"
    sed 's/^/    /' said
    failures=$((failures + 1))
  else
    echo "ok ($status): $(grep -iE -m1 -- "$pattern" said | cut -c1-160)"
  fi
}

mkdir in && seq 1 200000 | sed 's/^/word line number /' > in/lines.txt
count=("$bin/word_count" run --input in --checkpoint-dir state --checkpoint-interval 20ms)

refused 2 'checkpoint.interval|checkpoint-interval' "${count[@]}" --output o --checkpoint-interval soon
refused 2 'paralelism' "${count[@]}" --output o --paralelism 2
refused 2 'parallelism' "${count[@]}" --output o --parallelism 0
refused 2 'key.groups' "${count[@]}" --output o --parallelism 200
refused 2 'output' "${count[@]}"
printf '[checkpoint]\nintervall = "1s"\n' > job.toml
refused 2 'intervall' "${count[@]}" --output o --config job.toml
refused 2 'WEIR_BATCH_SIZE' env WEIR_BATCH_SIZE=many "${count[@]}" --output o
refused 1 'nowhere' "$bin/word_count" --input nowhere --output o
touch not-a-directory
refused 1 'not-a-directory' "$bin/word_count" --input in --output not-a-directory/out
refused 1 'not-a-directory' "$bin/word_count" --input in --output o --checkpoint-dir not-a-directory/state
refused 1 'refused|connect' "$bin/socket_word_count" --host 127.0.0.1 --port 1
port=$((20000 + RANDOM % 10000))
"$bin/socket_word_count" --listen --host 127.0.0.1 --port "$port" 2> log &
job=$!
for _ in $(seq 200); do (: < "/dev/tcp/127.0.0.1/$port") 2> /dev/null && break; sleep 0.02; done
refused 1 "127.0.0.1:$port.*in use.*choose another port" "$bin/socket_word_count" --listen --host 127.0.0.1 --port "$port"
kill -INT "$job"
wait "$job" || { echo "FAILED: SIGINT while waiting for connections: exit code $?"; cat log; failures=$((failures + 1)); }
refused 2 'no.such.host' "$bin/socket_word_count" --host no.such.host.invalid --port 9999

# A directory that belongs to somebody else.
if [[ $(id -u) -eq 0 ]] && command -v setpriv > /dev/null; then
  chmod 755 . && mkdir -m 700 theirs && mkdir -m 777 ours && cp "$bin/word_count" . && chmod 755 in word_count
  as_nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups ./word_count --input in --output ours/out)
  refused 1 'theirs.*Permission denied' "${as_nobody[@]}" --checkpoint-dir theirs
  refused 1 'theirs.*Permission denied' "${as_nobody[@]}" --checkpoint-dir theirs --state-backend directory
  refused 1 'theirs.*Permission denied.*state.directory' "${as_nobody[@]}" --state-backend lmdb --state-directory theirs
else
  echo "SKIPPED: a directory of another user needs root and setpriv"
fi

# Runs that are stopped in the middle, by either signal, leave checkpoints to go on from.
mkdir many && for i in $(seq 1 300); do cp in/lines.txt "many/$i.txt"; done
count=("$bin/word_count" run --input many --output out --checkpoint-dir state --checkpoint-interval 20ms)
for signal in INT TERM; do
  rm -f state/owner
  "${count[@]}" 2> log &
  job=$!
  for _ in $(seq 200); do [[ -s state/owner ]] && break; sleep 0.02; done
  refused 1 "process $job" "${count[@]}"
  sleep 0.3
  kill -"$signal" "$job"
  wait "$job" || { echo "FAILED: SIG$signal: exit code $?"; cat log; failures=$((failures + 1)); }
  if grep -q 'job stopped' log; then
    echo "ok: SIG$signal: $(grep -m1 'job stopped' log)"
  else
    echo "FAILED: the job did not stop in the middle"; cat log; failures=$((failures + 1))
  fi
done
cp -r state good

# Puts the good checkpoints back into `state` after a refusal.
restore() { rm -rf state && cp -r good state; }

truncate -s 8192 state/checkpoints.mdb
refused 1 'checkpoints.mdb' "${count[@]}"; restore
head -c 100000 /dev/urandom > state/checkpoints.mdb
refused 1 'checkpoints.mdb' "${count[@]}"; restore
refused 1 'word-count' "$bin/exactly_once_pipeline" --output o2 --checkpoint-dir state; restore
refused 1 '128 key groups' "${count[@]}" --key-groups 64

"${count[@]}" 2> log || { echo "FAILED: it does not go on after the refusals"; cat log; failures=$((failures + 1)); }
cat out/part-* | sort > got
printf 'line\t60000000\nnumber\t60000000\nword\t60000000\n' > want
if diff -u want got; then
  echo "ok: after all of that the counts are exact"
else
  failures=$((failures + 1))
fi
[[ -z $(ls -A out | grep '^\.pending') ]] || { echo "FAILED: pending parts are left"; failures=$((failures + 1)); }
exit $((failures != 0))
