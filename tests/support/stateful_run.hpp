#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <actors/source_run.hpp>
#include <support/temporary_directory.hpp>
#include <weir/actors/operators/process.hpp>
#include <weir/base/log.hpp>
#include <weir/snapshot/checkpoint_store.hpp>
#include <weir/snapshot/redistribution.hpp>

namespace weir::testing {

namespace {

// Stores that are opened hundreds of times would fill the output of the tests.
[[maybe_unused]] const bool has_quiet_stores = (configure_log(log_level::off, log_format::text), true);

} // namespace

/// So many milliseconds since the Unix epoch.
inline event_time at(std::int64_t ms) {
  return event_time{std::chrono::milliseconds{ms}};
}

/// An operator with keyed state, driven record by record, as several instances whose state goes through
/// real checkpoints. Make is called for each instance.
template <record In, record Out>
class stateful_run {
 public:
  using make_operator = std::function<std::unique_ptr<operator_base>()>;
  static constexpr std::uint32_t groups = 16;

  stateful_run(make_operator make, std::shared_ptr<const processing_clock> clock)
      : make_(std::move(make)), clock_(std::move(clock)) {}

  /// Nobody reads the outputs behind the first, from the next start on.
  void leave_side_outputs() { reads_late_ = false; }

  /// Ends the instances, the store included, and starts them anew from the last checkpoint. Returns what they
  /// emit as they catch up with each other.
  std::vector<Out> start(state_backend backend, std::uint32_t parallelism) {
    instances_.clear();
    store_.reset();
    backend_ = backend;
    checkpoint_config config;
    config.directory = directory_ / "checkpoints";
    config.map_size = std::uint64_t{64} << 20;
    config.storage = backend == state_backend::directory ? checkpoint_storage::files
                                                         : checkpoint_storage::lmdb_file;
    auto opened = checkpoint_store::open("test", config);
    if (!opened)
      FAIL(opened.failure().message);
    store_ = std::move(*opened);
    std::vector<restored_state> shares(parallelism);
    if (checkpoint_ != 0) {
      base_ = checkpoint_id{checkpoint_};
      auto contents = store_->load(checkpoint_id{checkpoint_});
      if (!contents)
        FAIL(contents.failure().message);
      shares = redistribute(std::make_shared<const checkpoint_contents>(std::move(*contents)), "state",
                            parallelism, true);
    }
    for (std::uint32_t i = 0; i < parallelism; ++i) {
      auto made = std::make_unique<instance>();
      made->running = make_();
      const std::vector<output_port*> outputs = made->running->outputs();
      for (output_port* port : outputs)
        port->configure(16);
      outputs[0]->connect(made->kept);
      for (std::size_t port = 1; port < outputs.size() && reads_late_; ++port)
        outputs[port]->connect(made->late[port - 1]);
      operator_context context;
      context.uid = context.name = "state";
      context.instance = i;
      context.parallelism = parallelism;
      context.key_groups = groups;
      context.skips_early_panes = skips_early_panes_;
      context.clock = clock_;
      context.state.backend = backend;
      context.state.directory = directory_ / "working";
      context.state.map_size = std::uint64_t{64} << 20;
      context.state.cache_size = 2048; // rows come and go
      made->running->open(context, shares[i]);
      instances_.push_back(std::move(made));
    }
    std::vector<Out> all;
    for (std::uint32_t i = 0; i < parallelism; ++i)
      if (shares[i].catch_up > shares[i].watermark)
        take_from(*instances_[i], all, [&](operator_base& one) { one.receive_watermark(shares[i].catch_up); });
    return all;
  }

  /// From the next start on.
  void skip_early_panes(bool skips) { skips_early_panes_ = skips; }

  /// Takes a checkpoint of all instances, which adds to the one before, or to the one before that, if
  /// it is not to be whole.
  void checkpoint(bool whole = false) {
    std::vector<std::shared_ptr<const operator_snapshot>> snapshots;
    completed_checkpoint taken;
    taken.id = checkpoint_id{++checkpoint_};
    taken.key_groups = groups;
    for (const auto& one : instances_) {
      auto made = std::make_shared<operator_snapshot>(
          one->running->begin_snapshot({taken.id, whole ? checkpoint_id{} : base_}));
      while (!one->running->write_snapshot(*made))
        ;
      snapshots.push_back(std::move(made));
    }
    auto stored = store_->store(taken, snapshots);
    if (!stored)
      FAIL(stored.failure().message);
    bytes_ = stored->bytes;
    if (checkpoint_ % 3 != 0)
      base_ = taken.id;
  }

  /// One record to the instance that its key belongs to. Returns what was emitted.
  std::vector<Out> send(std::uint64_t hash, In in, std::size_t port = 0,
                        std::optional<event_time> time = std::nullopt) {
    const auto to = instance_of(key_group_of(hash, groups),
                                static_cast<std::uint32_t>(instances_.size()), groups);
    return send_to(to, hash, std::move(in), port, time);
  }

  std::vector<Out> send_to(std::uint32_t to, std::uint64_t hash, In in, std::size_t port = 0,
                           std::optional<event_time> time = std::nullopt) {
    batch<In> one(1);
    one[0] = std::move(in);
    one.resize(1);
    if (time)
      *one.enable_times(true) = *time;
    one.enable_hashes()[0] = hash;
    instances_[to]->running->input(port).receive_any(one);
    for (output_port* out : instances_[to]->running->outputs())
      out->flush();
    return std::exchange(instances_[to]->kept.all, {});
  }

  /// A watermark for all instances. Returns what was emitted, instance by instance.
  std::vector<Out> watermark(event_time time) {
    return from_all([time](operator_base& one) { one.receive_watermark(time); });
  }

  /// A watermark for one instance.
  std::vector<Out> watermark_for(std::uint32_t of, event_time time) {
    std::vector<Out> all;
    take_from(*instances_[of], all, [time](operator_base& one) { one.receive_watermark(time); });
    return all;
  }

  /// Does what is due in processing time.
  std::vector<Out> wake() {
    const event_time now = clock_->now();
    return from_all([now](operator_base& one) {
      while (!one.wake(now))
        ;
    });
  }

  /// What has come out of the second output since the last call, or of the one after it.
  std::vector<In> take_late(std::size_t port = 1) {
    std::vector<In> all;
    for (const auto& one : instances_)
      for (In& late : std::exchange(one->late[port - 1].all, {}))
        all.push_back(std::move(late));
    return all;
  }

  /// Of all instances.
  record_counts counts() const {
    record_counts sum;
    for (const auto& one : instances_)
      sum += one->running->counts();
    return sum;
  }

  operator_base& running(std::uint32_t of) { return *instances_[of]->running; }
  std::uint32_t parallelism() const { return static_cast<std::uint32_t>(instances_.size()); }
  std::uint64_t bytes() const { return bytes_; } ///< of the last checkpoint

 private:
  struct instance {
    kept_records<Out> kept;
    kept_records<In> late[2];
    std::unique_ptr<operator_base> running;
  };

  template <class Do>
  static void take_from(instance& one, std::vector<Out>& all, Do&& what) {
    what(*one.running);
    for (output_port* out : one.running->outputs())
      out->flush();
    for (Out& emitted : std::exchange(one.kept.all, {}))
      all.push_back(std::move(emitted));
  }

  template <class Do>
  std::vector<Out> from_all(Do&& what) {
    std::vector<Out> all;
    for (const auto& one : instances_)
      take_from(*one, all, what);
    return all;
  }

  temporary_directory directory_;
  make_operator make_;
  std::shared_ptr<const processing_clock> clock_;
  state_backend backend_ = state_backend::memory;
  bool skips_early_panes_ = false;
  std::unique_ptr<checkpoint_store> store_;
  std::vector<std::unique_ptr<instance>> instances_;
  std::uint64_t checkpoint_ = 0;
  checkpoint_id base_{}; // the newest that the instances count as complete
  std::uint64_t bytes_ = 0;
  bool reads_late_ = true;
};

} // namespace weir::testing
