# Sourced by compare.sh and cluster.sh.

die() {
  echo "${0##*/}: $*" >&2
  exit 1
}
median() { sort -g | awk '{ x[NR] = $1 } END { print NR % 2 ? x[(NR + 1) / 2] : (x[NR / 2] + x[NR / 2 + 1]) / 2 }'; }
largest() { sort -g | tail -n 1; }
smallest() { sort -g | head -n 1; }

describe_machine() {
  echo "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) cores, $(uname -sr), commit $(git rev-parse --short HEAD)"
}
