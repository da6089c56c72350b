#!/bin/bash
# Installs with apt what building and testing Weir needs and this machine does not have. Says nothing
# when nothing is missing. Debian 12 and 13, Ubuntu 24.04; as root, or with sudo.
set -euo pipefail

die() {
  echo "install-dependencies.sh: $*" >&2
  exit 1
}

missing=()
need_program() { # PROGRAM PACKAGE
  command -v "$1" >/dev/null || missing+=("$2")
}
need_header() { # HEADER PACKAGE
  local root
  for root in /usr/include /usr/local/include; do
    [[ -e $root/$1 ]] && return
  done
  missing+=("$2")
}

# Of Debian's Python: another one that comes first in PATH does not see Debian's packages.
need_python_module() { # MODULE PACKAGE
  /usr/bin/python3 -c "import $1" 2>/dev/null || missing+=("$2")
}

need_program c++ g++
need_program cmake cmake
need_program ninja ninja-build
need_program ccache ccache
need_program mold mold
need_program nc netcat-openbsd
need_program ps procps
need_program etcd etcd-server
need_program ip iproute2
need_program iptables iptables
need_program openssl openssl
need_header caf/config.hpp libcaf-dev
need_header lmdb.h liblmdb-dev
need_header openssl/ssl.h libssl-dev
need_header cereal/cereal.hpp libcereal-dev
need_header spdlog/spdlog.h libspdlog-dev
need_header doctest/doctest.h doctest-dev
need_header rapidcheck.h librapidcheck-dev
need_header CLI/CLI.hpp libcli11-dev
need_header toml++/toml.h libtomlplusplus-dev
need_header nlohmann/json.hpp nlohmann-json3-dev
need_header xxhash.h libxxhash-dev
need_header boost/beast.hpp libboost-dev
need_header benchmark/benchmark.h libbenchmark-dev
need_python_module xxhash python3-xxhash
[[ ${#missing[@]} -eq 0 ]] && exit 0

command -v apt-get >/dev/null ||
  die "missing: ${missing[*]} (Debian's names). There is no apt-get here to install them with: install them by hand"
as_root=()
if [[ $(id -u) -ne 0 ]]; then
  command -v sudo >/dev/null ||
    die "missing: ${missing[*]}. Run this as root, or install sudo, or: apt-get install ${missing[*]}"
  as_root=(sudo)
fi
echo "installing ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
run_apt() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y "$@" >>"$log" 2>&1 </dev/null
}
# A package list may be missing or old, and a mirror may be busy.
for attempt in 1 2 3; do
  if run_apt update && run_apt install --no-install-recommends "${missing[@]}"; then
    exit 0
  fi
  [[ $attempt -eq 3 ]] || sleep $((5 * attempt))
done
cat "$log" >&2
die "apt-get could not install ${missing[*]}: see above for its reason"
