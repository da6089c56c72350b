# Sourced by the demos in samples/ and by kill_loop.sh, savepoints.sh and cluster_chaos.sh: a word count that is killed at
# random moments until it ends, what its result must be, and what these scripts have in common.
source "$(dirname "${BASH_SOURCE[0]}")/processes.sh"

# Sets `seed` to the number given, or a random one.
read_seed() { # [SEED]
  seed=${1:-random}
  [[ $seed != random ]] || seed=$((RANDOM * 32768 + RANDOM))
  if [[ ! $seed =~ ^[0-9]+$ ]]; then
    echo "${0##*/}: expected a number as seed, found '$seed'" >&2
    exit 2
  fi
}

# Sets `runs` and `seed` to what the command line says, and `build` to the build directory.
read_arguments() { # DEFAULT_RUNS [RUNS] [SEED]
  runs=${2:-$1}
  if [[ ! $runs =~ ^[1-9][0-9]*$ ]]; then
    echo "${0##*/}: expected a number of runs, found '$runs'" >&2
    exit 2
  fi
  read_seed "${3:-}"
  build=$(realpath "${BUILD_DIR:-build}")
}

need_programs() { # PATH...
  local program
  for program; do
    if [[ ! -x $program ]]; then
      echo "${0##*/}: no $program: build it first, or set BUILD_DIR" >&2
      exit 2
    fi
  done
}

# Makes the directory `work`, which is removed at the end with all processes that are left.
make_work() { # DIRECTORY
  work=$(mktemp -d -p "$1" "$(basename "$0" .sh)-XXXXXX")
  trap stop EXIT
  trap 'stop; exit 130' INT TERM
}
stop() {
  trap - EXIT INT TERM
  kill_all
  rm -rf "$work"
}

# Ends the script, and keeps everything that led to it.
give_up() { # REASON...
  trap - EXIT
  kill_all
  echo "FAILED${run:+ in run $run}${runs:+ of $runs}${seed:+ with seed $seed}: $*"
  echo "everything is kept in $work"
  tail -n 20 "$work"/*log | sed 's/^/    /'
  exit 1
}

# 100 MB or so of text in 8 files: the licenses that every Debian system has, again and again.
make_texts() { # DIRECTORY MEGABYTES
  local directory=$1 size=$(($2 * 1000000 / 8)) text i
  mkdir -p "$directory"
  text=$(mktemp -p "$directory" .text-XXXXXX)
  # Names that point elsewhere in this folder are not taken twice. A newline ends every text.
  find /usr/share/common-licenses -type f -exec sh -c 'for f; do cat "$f"; echo; done' sh {} + >"$text"
  if [[ ! -s $text ]]; then
    echo "no texts in /usr/share/common-licenses to count the words of" >&2
    return 1
  fi
  for ((i = 1; i <= 8; ++i)); do
    { while cat "$text"; do :; done; } 2>/dev/null | head -c "$size" >"$directory/text-$i"
    echo >>"$directory/text-$i"
  done
  rm "$text"
}

# The words of a directory as coreutils count them: word<TAB>count, sorted.
counted_by_coreutils() { # DIRECTORY
  cat "$1"/* | tr -cs 'A-Za-z' '\n' | tr A-Z a-z | LC_ALL=C sort -S 512M | uniq -c |
    awk 'NF == 2 { print $2 "\t" $1 }'
}

committed_output() { # DIRECTORY
  LC_ALL=C sort "$1"/part-*
}

# What a directory of committed output holds must be, sorted, what the file does, and nothing else may be there.
expect_output() { # DIRECTORY EXPECTED
  local pending
  committed_output "$1" >"$work/found" || give_up "no committed output in $1"
  cmp -s "$2" "$work/found" || give_up "the output is not what coreutils make of the input: diff $2 $work/found"
  pending=$(find "$1" -mindepth 1 ! -name 'part-*')
  [[ -z $pending ]] || give_up "files that are not committed are left: $pending"
}

# Runs a command again and again: kills it with SIGKILL after 50 to LONGEST ms, TIMES times at most,
# then lets it come to its end. The moments come from RANDOM, so the caller seeds it. Sets `kills` to
# the number of times that it was killed while it ran; returns its last exit code. Calls say with a
# sentence about each step. The command's output goes to `log`.
run_with_kills() { # TIMES LONGEST LOG COMMAND...
  local times=$1 longest=$2 log=$3 delay pid status=0
  shift 3
  kills=0
  while true; do
    "$@" >>"$log" 2>&1 </dev/null &
    pid=$!
    if [[ $kills -lt $times ]]; then
      delay=$((50 + RANDOM % (longest - 49)))
      sleep "$(printf '%d.%03d' $((delay / 1000)) $((delay % 1000)))"
      kill -KILL "$pid" 2>/dev/null
    fi
    # bash reports the kill on standard error, and we do ourselves.
    { wait "$pid"; } 2>/dev/null && status=0 || status=$?
    if [[ $status -ne 137 ]]; then
      return "$status"
    fi
    kills=$((kills + 1))
    say "killed with SIGKILL after $delay ms; starting it again"
  done
}
