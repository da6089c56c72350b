#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <weir/actors/operator.hpp>
#include <weir/base/codec.hpp>
#include <weir/base/error.hpp>

namespace weir {

/// What a user writes to read from somewhere.
///
///     struct numbers {
///       using output = std::uint64_t;   // the record type
///       struct split { std::uint64_t next, end; };   // storable: a part of the input, and how far
///                                                     // it has been read
///       // Once per job, before anything starts: the whole input in parts, at least as many as
///       // instances are to work. Errors end the start.
///       weir::result<std::vector<split>> splits(std::uint32_t parallelism);
///       // In each instance: the parts it is to read, fresh or as they were in the checkpoint.
///       void open(const weir::operator_context&, std::vector<split> assigned);
///       // Emits up to about a batch. May block for some milliseconds if `blocks` is true.
///       weir::source_turn poll(weir::emitter<std::uint64_t>& out);
///       // The parts that are not read to their end, with the position after the last emitted record.
///       std::vector<split> snapshot() const;
///       static constexpr bool blocks = false;   // optional: runs on a thread of its own
///     };
///
/// Each instance works on a copy of the object that the topology was given. A source is bounded when
/// poll returns ended(). What it emits after a restart must be what it emitted after that position
/// before: then every record counts exactly once.
template <class S>
concept source = std::copy_constructible<S> && record<typename S::output> &&
                 storable<typename S::split> &&
                 requires(S s, const operator_context& context, std::vector<typename S::split> splits,
                          emitter<typename S::output>& out) {
                   { s.splits(std::uint32_t{}) } -> std::same_as<result<std::vector<typename S::split>>>;
                   s.open(context, std::move(splits));
                   { s.poll(out) } -> std::same_as<source_turn>;
                   { std::as_const(s).snapshot() } -> std::same_as<std::vector<typename S::split>>;
                 };

/// The name under which a source's splits are kept in checkpoints.
inline constexpr const char* splits_state = "weir.splits";

/// Runs one instance of a source.
template <source S>
class source_operator final : public operator_base {
 public:
  explicit source_operator(S how) : source_(std::move(how)) {}

  std::vector<output_port*> outputs() override { return {&out_}; }

  source_turn take_turn() override {
    return guarded("reading", [&] { return source_.poll(out_); });
  }

  void close() noexcept override {
    if constexpr (requires { source_.close(); })
      source_.close();
  }

 private:
  void on_open(const restored_state& restored) override {
    std::vector<typename S::split> assigned;
    instance_.restore(restored, context().allow_dropped_state, [&](const state_reader& in) {
      assigned = in.list<typename S::split>(splits_state);
    });
    source_.open(context(), std::move(assigned));
  }

  void on_snapshot(const snapshot_order&, operator_snapshot& made) override {
    state_writer(made.lists).list(splits_state, source_.snapshot());
  }

  S source_;
  operator_states instance_;
  emitter<typename S::output> out_;
};

} // namespace weir
