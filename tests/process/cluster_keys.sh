#!/bin/bash
# A coordinator with keys: workers and the program weir without keys, and with keys of another authority, are turned away,
# both sides say why, and the job is done by a worker with the right ones. What a process does with keys that are no good,
# and `run --workers`.
#
#   tests/process/cluster_keys.sh        BUILD_DIR names the build directory (default: build)
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/killed_word_count.sh"
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
build=$(realpath "${BUILD_DIR:-build}")
program=$build/samples/word_count
weir=$build/bin/weir
need_programs "$program" "$weir"
make_work "$build"

await() { # FILE PATTERN: in a log
  local i
  for ((i = 0; i < 600; ++i)); do
    grep -sqE -- "$2" "$work/$1.log" && return
    sleep 0.05
  done
  give_up "not in $1.log within 30 s: $2"
}
keys() { # DIR NAME
  echo "--tls-ca $work/$1/ca.pem --tls-cert $work/$1/$2.pem --tls-key $work/$1/$2.key"
}
refused() { # CODE PATTERN OPTION...: a coordinator with these keys does not start
  local code=$1 pattern=$2 status=0
  shift 2
  timeout 60 "$program" coordinator --listen 0 --input "$work/input" --output "$work/none" "$@" \
    >"$work/refused.log" 2>&1 </dev/null || status=$?
  [[ $status -eq $code ]] && grep -qE -- "$pattern" "$work/refused.log" ||
    give_up "expected exit code $code and '$pattern', found exit code $status: $*"
}

mkdir "$work/ours" "$work/theirs"
tests/support/make_certificates.sh "$work/ours" ours one two
tests/support/make_certificates.sh "$work/theirs" theirs one
make_texts "$work/input" 8
counted_by_coreutils "$work/input" >"$work/expected"
check_output() { # DIRECTORY
  expect_output "$work/$1" "$work/expected"
}

refused 2 'cluster.tls-ca without cluster.tls-cert and cluster.tls-key' --tls-ca "$work/ours/ca.pem"
refused 2 'cannot read the file' $(keys ours nobody)
refused 2 'key values mismatch' $(keys ours one) --tls-key "$work/ours/two.key"
refused 2 'cannot read the file' $(keys ours nobody) --ha etcd://127.0.0.1:1 --checkpoint-dir "$work/none-state"
openssl req -new -key "$work/ours/one.key" -subj /CN=late -out "$work/late.csr"
openssl x509 -req -in "$work/late.csr" -CA "$work/ours/ca.pem" -CAkey "$work/ours/ca.key" -CAcreateserial -days -1 \
  -out "$work/late.pem" 2>/dev/null
refused 2 'certificate has expired' $(keys ours one) --tls-cert "$work/late.pem"
openssl pkey -in "$work/ours/one.key" -aes256 -passout pass:secret -out "$work/locked.key"
refused 2 'without a password' $(keys ours one) --tls-key "$work/locked.key"

"$program" coordinator --listen 127.0.0.1:0 $(keys ours one) --input "$work/input" --output "$work/counts" \
  --checkpoint-dir "$work/state" >"$work/coordinator.log" 2>&1 </dev/null &
coordinator=$!
await coordinator 'listening for workers with a certificate'
port=$(grep -oE 'port=[0-9]+' "$work/coordinator.log" | head -1 | cut -d= -f2)

"$program" worker --join "127.0.0.1:$port" --slots 1 >"$work/keyless.log" 2>&1 </dev/null &
await keyless 'where it has some \(--tls-ca, --tls-cert, --tls-key\), give them here'
await coordinator 'a connection was closed .*wrong version number'
"$program" worker --join "127.0.0.1:$port" --slots 1 $(keys theirs one) >"$work/stranger.log" 2>&1 </dev/null &
await stranger 'certificate verify failed'
await coordinator 'a connection was closed .*alert unknown ca'
asked() { # EXIT_CODE PATTERN OPTION...: by the program weir
  local code=$1 pattern=$2 status=0
  shift 2
  timeout 60 "$weir" job word-count --coordinator "127.0.0.1:$port" "$@" >"$work/asked.log" 2>&1 || status=$?
  [[ $status -eq $code ]] && grep -qE -- "$pattern" "$work/asked.log" ||
    give_up "weir job: expected exit code $code and '$pattern', found exit code $status: $*"
}
asked 3 'where it has some \(--tls-ca, --tls-cert, --tls-key\), give them here'
asked 3 'certificate verify failed' $(keys theirs one)
asked 0 '^state +waiting' $(keys ours two)
! grep -q 'worker joined' "$work/coordinator.log" || give_up "a worker without the right keys has joined"

status=0
timeout 60 "$program" worker --join "127.0.0.1:$port" --slots 1 $(keys ours two) >"$work/worker.log" 2>&1 </dev/null || status=$?
[[ $status -eq 0 ]] || give_up "the worker ended with exit code $status"
wait "$coordinator" || give_up "the coordinator ended with exit code $?"
check_output counts

timeout 60 "$program" run --workers 2 --parallelism 2 $(keys ours one) --input "$work/input" --output "$work/local" \
  --checkpoint-dir "$work/local-state" >"$work/local.log" 2>&1 </dev/null || give_up "run --workers ended with exit code $?"
check_output local
grep -q 'listening for workers with a certificate' "$work/local.log" || give_up "run --workers does not use the keys"
echo "ok"
