#pragma once

#include <memory>
#include <string>
#include <vector>

#include <weir/snapshot/checkpoint_reader.hpp>
#include <weir/snapshot/state_view.hpp>

#include "verbs.hpp"

namespace weir {

/// A checkpoint directory and the checkpoint in it that was asked for.
struct opened_checkpoint {
  std::shared_ptr<checkpoint_reader> reader;
  detail::manifest content;

  /// The newest without `at`.
  static result<opened_checkpoint> open(const std::string& directory, std::optional<checkpoint_id> at);
};

/// The states of an operator, or one of them, or all where no operator is named. A name that is not there is an error
/// that says which are.
result<std::vector<state_description>> choose_states(const detail::manifest& checkpoint, const std::string& uid,
                                                     const std::string& name);

/// "; did you mean x? There are x, y" for a name that is none of these.
std::string suggestion_of(const std::string& name, std::vector<std::string> known);

} // namespace weir
