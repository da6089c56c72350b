#pragma once

#include <string>

#include <weir/base/error.hpp>
#include <weir/runtime/cluster/cluster_config.hpp>

namespace weir {

/// Whether the files of cluster.tls-ca, cluster.tls-cert and cluster.tls-key are there and belong together: all three or
/// none are set, they can be read, the key is that of the certificate, and the certificate is valid now and signed by
/// one of the authorities. What is wrong here would otherwise be wrong at every connection.
///
/// Errors: invalid_setting.
status check_tls(const cluster_config& config);

/// What OpenSSL has noted about the last failure of this thread: "certificate verify failed". Empty: nothing. It is
/// forgotten with that, so that it is not taken for the failure of another connection.
std::string take_tls_failure();

} // namespace weir
