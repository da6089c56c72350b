#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>

#include <weir/runtime/cluster/worker.hpp>
#include <weir/runtime/job.hpp>
#include <weir/runtime/topology.hpp>

namespace weir::testing {

/// Settings with which much happens in a short time: small batches, a checkpoint every 5 ms, restarts after 1 ms for ever.
job_config hasty_config(const std::filesystem::path& checkpoints);

/// Starts a job. The test fails, and ends, if that cannot be.
std::unique_ptr<job> start_job(const topology& what, const job_config& config);

/// Starts a worker with an actor system of its own in this process, which joins the job; likewise. `own`: its settings
/// besides; one thread unless that says otherwise.
std::unique_ptr<worker> join_job(const topology& what, const job& coordinator, std::uint32_t slots, job_config own = {});

/// Within half a minute.
bool becomes_true(const std::function<bool()>& what);

} // namespace weir::testing
