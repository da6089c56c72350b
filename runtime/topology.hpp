#pragma once

#include <memory>
#include <string>
#include <utility>

#include <weir/actors/operators/source.hpp>
#include <weir/base/option.hpp>
#include <weir/base/type_name.hpp>
#include <weir/runtime/graph.hpp>
#include <weir/runtime/job_config.hpp>
#include <weir/runtime/option_table.hpp>
#include <weir/runtime/stream.hpp>

namespace weir {

/// A program: sources, operators and sinks, connected by streams.
///
/// Build it, then hand it to weir::main or job::start. Building only describes: nothing is opened,
/// read or run.
///
/// Ownership:     streams and sinks are handles into the topology and keep it alive.
/// Thread safety: one thread.
class topology {
 public:
  /// `name` identifies the job, also in its checkpoints; `summary` is a line for `--help`.
  explicit topology(std::string name, std::string summary = {})
      : graph_(std::make_shared<topology_graph>()), summary_(std::move(summary)) {
    graph_->name = std::move(name);
  }

  /// A stream of what `how` reads; see weir::source for how to write one.
  template <class S>
  stream<typename S::output> source(std::string name, S how) {
    static_assert(weir::source<S>, "source: expected a class that models weir::source (see "
                                   "weir/actors/operators/source.hpp)");
    operator_node node;
    node.name = std::move(name);
    node.kind = "source";
    node.outputs = {type_name<typename S::output>()};
    node.blocks = detail::blocks<S>;
    if constexpr (requires { S::maximum_parallelism; })
      node.maximum_parallelism = S::maximum_parallelism;
    node.make = [how] { return std::make_unique<source_operator<S>>(how); };
    node.splits = [how](std::uint32_t parallelism) -> result<std::vector<bytes>> {
      auto parts = S(how).splits(parallelism);
      if (!parts)
        return std::move(parts.failure());
      std::vector<bytes> items;
      for (const typename S::split& part : *parts)
        items.push_back(encoded(part));
      return items;
    };
    return {graph_, detail::add_operator(*graph_, std::move(node)), 0};
  }

  /// Declares an option of the job's own: `--NAME`. Read it with `*` once the job runs.
  template <option_value T>
  weir::option<T> option(std::string name, std::string description, T initial) {
    return options_.declare<T>(std::move(name), std::move(description), std::move(initial));
  }
  weir::option<std::string> option(std::string name, std::string description,
                                   const char* initial) {
    return options_.declare<std::string>(std::move(name), std::move(description), initial);
  }

  /// Declares an option without which the job does not start.
  template <option_value T = std::string>
  weir::option<T> required_option(std::string name, std::string description) {
    return options_.declare_required<T>(std::move(name), std::move(description));
  }

  /// The settings that the job's code makes; a file, the environment and the command line override
  /// them.
  job_config& config() noexcept { return config_; }
  const job_config& config() const noexcept { return config_; }

  const std::string& name() const noexcept { return graph_->name; }
  const std::string& summary() const noexcept { return summary_; }
  const option_table& options() const noexcept { return options_; }
  const std::shared_ptr<topology_graph>& graph() const noexcept { return graph_; }

 private:
  std::shared_ptr<topology_graph> graph_;
  std::string summary_;
  option_table options_;
  job_config config_;
};

} // namespace weir
