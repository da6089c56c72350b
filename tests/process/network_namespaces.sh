# Sourced by cluster_chaos.sh and samples/cluster/demo.sh: machines of one network, each a network namespace on a common
# bridge, and what can happen to a network.
#
# All of it is in a network namespace and a mount namespace that the script has for itself: it meets nobody else's, and
# is gone with the last process in it, however that ends. Without root it is made in a user namespace, where those are
# allowed.

proxy=$(realpath "$(dirname "${BASH_SOURCE[0]}")/delaying_proxy.py")
proxy_port=9
script=$(realpath "$0")
declare -A address=() # by machine

# Starts the script that calls it again, in namespaces of its own. Where that cannot be it says so, and returns.
enter_namespaces() { # ARGUMENT OF THE SCRIPT...
  [[ -z ${IN_NAMESPACES:-} ]] || return 0
  local enter=(unshare --net --mount) why
  [[ $(id -u) -eq 0 ]] || enter+=(--map-root-user)
  local probe='set -e; declare -A address; make_machines a b; redirect_to_proxy a; cut_link a b; heal_link a b'
  probe="$(declare -f make_machines enter on cut_link heal_link redirect_to_proxy); proxy_port=$proxy_port; $probe"
  if why=$("${enter[@]}" bash -c "$probe" 2>&1); then
    IN_NAMESPACES=1 exec "${enter[@]}" bash "$script" "$@"
  fi
  echo "############################################################################################################"
  echo "SKIPPED: everything about networks. Network namespaces with iptables in them (packages iproute2, iptables and"
  echo "python3) cannot be made here, as root or in a user namespace: $(tail -n 1 <<<"$why")"
  echo "############################################################################################################"
}
has_namespaces() { [[ -n ${IN_NAMESPACES:-} ]]; }

make_machines() { # NAME...
  local name number=0
  mount -t tmpfs tmpfs /run # ip keeps names of namespaces there, and iptables a lock
  ip link add bridge type bridge
  ip link set bridge up
  for name; do
    number=$((number + 1))
    address[$name]=10.77.0.$number
    ip netns add "$name"
    ip link add "port-$number" type veth peer name eth0 netns "$name"
    ip link set "port-$number" master bridge up
    on "$name" ip link set lo up
    on "$name" ip link set eth0 up
    on "$name" ip address add "${address[$name]}/24" dev eth0
  done
}

# Sets `inside` to what a command begins with that is to run on that machine, as a process of the same number.
enter() { # MACHINE
  inside=(nsenter --net="/run/netns/$1")
}
on() { # MACHINE COMMAND...
  nsenter --net="/run/netns/$1" "${@:2}"
}

# From now on nothing from the first machine reaches the second one.
cut_link() { # FROM TO
  on "$2" iptables -w -A INPUT -s "${address[$1]}" -j DROP
}
heal_link() { # FROM TO
  on "$2" iptables -w -D INPUT -s "${address[$1]}" -j DROP
}

# Every connection to and from the machine, from now on, goes through its proxy.
redirect_to_proxy() { # MACHINE
  on "$1" iptables -w -t nat -A OUTPUT -p tcp ! -o lo -m mark ! --mark 1 -j REDIRECT --to-ports "$proxy_port"
  on "$1" iptables -w -t nat -A PREROUTING -p tcp -i eth0 -j REDIRECT --to-ports "$proxy_port"
}

# The proxy becomes a job of the shell, which is `$!` then.
start_proxy() { # MACHINE MILLISECONDS
  enter "$1"
  "${inside[@]}" "$proxy" "$proxy_port" "$2" &
}
