#!/bin/bash
# Makes what encrypted connections need, as docs/cluster.md says: an authority (ca.pem, ca.key), and for each name a
# certificate that it has signed (NAME.pem) and its key (NAME.key). All in DIR.
#
#   tests/support/make_certificates.sh DIR AUTHORITY NAME...
set -euo pipefail
cd "$1"
authority=$2
shift 2

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=$authority" \
  -keyout ca.key -out ca.pem 2>/dev/null
for name in "$@"; do
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$name" \
    -keyout "$name.key" -out "$name.csr" 2>/dev/null
  openssl x509 -req -in "$name.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days 365 -out "$name.pem" 2>/dev/null
  rm "$name.csr"
done
