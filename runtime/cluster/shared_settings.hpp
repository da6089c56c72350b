#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <weir/base/error.hpp>
#include <weir/runtime/graph.hpp>
#include <weir/runtime/job_config.hpp>
#include <weir/runtime/option_table.hpp>

namespace weir {

/// Settings and options of a job as texts, by their keys in a file.
using setting_texts = std::vector<std::pair<std::string, std::string>>;

/// What all processes of a job must agree on: all of its options, and all settings but those that are about one process
/// alone, such as its directories and its log.
setting_texts shared_settings(const job_config& config, const option_table& options);

/// Sets them over `own`, and the job's options through their handles.
///
/// Errors: invalid_setting.
result<job_config> with_shared_settings(const job_config& own, const option_table& options, const setting_texts& texts);

/// A number that differs, as good as certainly, between topologies that cannot work together: of operators, edges and
/// types of records and keys.
std::uint64_t topology_digest(const topology_graph& graph);

/// The same of the running program's file, whose records and states lie in memory as no other's need to. 0: it cannot be
/// read.
std::uint64_t program_digest();

} // namespace weir
