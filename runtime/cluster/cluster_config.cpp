#include <weir/runtime/cluster/cluster_config.hpp>

#include <weir/base/units.hpp>
#include <weir/runtime/cluster/tls.hpp>

namespace weir {

status check_cluster(const cluster_config& config) {
  if (config.heartbeat > config.timeout / 3)
    return error{errc::invalid_setting, "cluster.heartbeat is " + duration_text(config.heartbeat) + " and cluster.timeout " +
                                            duration_text(config.timeout) +
                                            ": expected a heartbeat of at most a third of the timeout, so that one that is late "
                                            "is not taken for a lost process"};
  return check_tls(config);
}

} // namespace weir
