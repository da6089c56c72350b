#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include <weir/runtime/stream.hpp>

namespace weir {

/// A loop: the records that come in, and those that are fed back, until none is left.
///
///     auto messages = edges.iterate("messages");
///     auto labels = messages.key_by(vertex).process("spread", spread{});
///     messages.feed_back(labels.flat_map("tell the neighbours", ...));
///     labels.sink(...);
///
/// When much of what is fed back waits nothing new is let in, so that a loop in which every record makes a few others takes
/// about the memory of what one batch becomes. It cannot get stuck: whoever feeds back never waits.
///
/// When the input has ended and nothing goes round any more, the loop ends, and with it the input of all that reads from it.
/// That is counted, not timed. Operators in the loop get the last watermark, and see what that makes go round; what they emit
/// at the end of their own input, which comes after it, cannot go round and is dropped, counted, and logged.
///
/// The watermark in the loop is that of what comes in. Records that are fed back keep their event times, and may come
/// late for windows in the loop and behind it.
///
/// Snapshots: what goes round is part of every checkpoint, so a record counts once however often the job fails; that is
///            why it has to be storable.
/// Errors:    a loop in a loop, one that nothing is fed back into, or something that does not come from it, are reported
///            before the job starts.
template <record T>
class iteration : public stream<T> {
 public:
  iteration(std::shared_ptr<topology_graph> graph, std::uint32_t node) : stream<T>(std::move(graph), node, 0) {}

  /// Sends these records round again. May be called for several streams.
  void feed_back(const stream<T>& again) const {
    if (again.graph() != this->graph_)
      this->graph_->mistakes.push_back("iteration '" + this->graph_->operators[this->last_].name +
                                       "': a stream of another topology is fed back");
    else
      again.feed_back_into(this->last_);
  }
};

template <record T>
iteration<T> stream<T>::iterate(std::string name) const {
  static_assert(storable<T>, "iterate: what goes round is part of checkpoints, so T must be storable: give it a cereal "
                             "serialize");
  operator_node node = detail::make_node<T>(std::move(name), "iterate", 2, false,
                                            [] { return std::make_unique<iterate_operator<T>>(); });
  return iteration<T>(this->graph_, add_node(std::move(node)));
}

} // namespace weir
