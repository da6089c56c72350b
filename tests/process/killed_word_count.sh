# Sourced by samples/demo.sh and kill_loop.sh: a word count that is killed at random moments until it
# ends, and what its result must be.

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
