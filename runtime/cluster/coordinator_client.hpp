#pragma once

#include <string>

#include <weir/base/error.hpp>
#include <weir/runtime/cluster/cluster_config.hpp>

namespace weir {

/// Sends one request to the coordinator at config.join, over the port that workers join at, and returns its answer; both are
/// as on the control socket (see job_requests.hpp). What it asks for may take as long as it takes; but when nothing has been
/// heard from the coordinator for config.timeout, that is an error.
///
/// Thread safety: any thread.
/// Errors:        invalid_setting for an address that is none, or keys that are none (see check_tls); io when nobody answers
///                there, or not any more.
/// Cost:          an actor system of its own.
result<std::string> ask_coordinator(const cluster_config& config, const std::string& request);

} // namespace weir
