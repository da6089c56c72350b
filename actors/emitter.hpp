#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <weir/actors/batch.hpp>
#include <weir/actors/collector.hpp>
#include <weir/actors/progress.hpp>
#include <weir/actors/record.hpp>

namespace weir {

/// One output of an operator, as the task sees it.
class output_port {
 public:
  virtual ~output_port() = default;

  /// Sets the size of a full batch. Before the first record.
  virtual void configure(std::uint32_t batch_size) = 0;

  /// Adds a receiver, which must be a collector of the port's record type and outlive it.
  virtual void connect(collector_base& receiver) = 0;

  /// Passes what has been emitted on to the receivers.
  virtual void flush() = 0;

  /// Adds a receiver of what send_watermark and send_idleness say; it must outlive the port.
  void connect_progress(progress_receiver& receiver) { progress_receivers_.push_back(&receiver); }

  /// After all that has been emitted: no record with an event time before `time` follows, but late
  /// ones.
  void send_watermark(event_time time) {
    flush();
    for (progress_receiver* receiver : progress_receivers_)
      receiver->receive_watermark(time);
  }

  /// Nobody need wait for a watermark from here until the next one.
  void send_idleness() {
    flush();
    for (progress_receiver* receiver : progress_receivers_)
      receiver->receive_idleness();
  }

  void send_partition(const partition_change& change) {
    flush();
    for (progress_receiver* receiver : progress_receivers_)
      receiver->receive_partition(change);
  }

 private:
  std::vector<progress_receiver*> progress_receivers_;
};

/// What an operator's function emits its results with: `out(record)`.
///
/// Thread safety: task thread only; valid while the function runs.
/// Cost:          a store into a batch; the batch is passed on when it is full and at the end of
///                the input batch.
template <record T>
class emitter final : public output_port {
 public:
  emitter() = default;

  void operator()(const T& record) { append() = record; }
  void operator()(T&& record) { append() = std::move(record); }

  /// The next record, to be filled in place. It may hold the value of an earlier record, so that a
  /// string or a vector keeps its memory.
  T& append() {
    if (size_ == capacity_) [[unlikely]]
      flush();
    if (times_)
      times_[size_] = time_;
    return records_[size_++];
  }

  /// Many records in a row, none with an event time: what append() does, with the place of the next
  /// record in registers, where stores into the record before cannot have changed it. Nothing else may be emitted
  /// while it lives.
  class run {
   public:
    explicit run(emitter& out) noexcept
        : out_(out), next_(out.records_ + out.size_), end_(out.records_ + out.capacity_) {}
    run(const run&) = delete;
    run& operator=(const run&) = delete;
    ~run() { out_.size_ = static_cast<std::uint32_t>(next_ - out_.records_); }

    T& append() {
      if (next_ == end_) [[unlikely]] {
        out_.size_ = out_.capacity_;
        out_.flush();
        next_ = out_.records_;
        end_ = next_ + out_.capacity_;
      }
      return *next_++;
    }

   private:
    emitter& out_;
    T* next_;
    T* end_;
  };

  /// Emits with this event time from now on.
  void set_time(event_time time) noexcept { time_ = time; }

  /// Whether records carry event times from now on. Called once per batch, not per record.
  void set_timed(bool timed) {
    if (timed != (times_ != nullptr)) {
      flush();
      times_ = batch_->enable_times(timed);
    }
  }

  /// For sources that read several partitions side by side, each with event times in an order of its own:
  /// this one is there, what follows is of it, nothing of it follows. The watermark is the smallest of
  /// all that are open.
  void open_partition(std::uint64_t partition) {
    send_partition({partition_change::kind::opened, partition});
  }
  void set_partition(std::uint64_t partition) {
    if (partition_ == partition) [[likely]]
      return;
    partition_ = partition;
    send_partition({partition_change::kind::current, partition});
  }
  void end_partition(std::uint64_t partition) {
    if (partition_ == partition)
      partition_.reset();
    send_partition({partition_change::kind::ended, partition});
  }

  /// Passes on a whole batch that came in, after all that has been emitted.
  void pass(batch<T>& records) {
    flush();
    if (records.is_empty())
      return;
    for (std::size_t i = 0; i + 1 < receivers_.size(); ++i) {
      if (!copy_ || copy_->capacity() < records.capacity())
        copy_ = std::make_unique<batch<T>>(records.capacity());
      copy_->copy_from(records);
      receivers_[i]->receive(*copy_);
    }
    if (!receivers_.empty())
      receivers_.back()->receive(records);
  }

  void configure(std::uint32_t batch_size) override {
    batch_ = std::make_unique<batch<T>>(batch_capacity<T>(batch_size));
    adopt();
  }
  void connect(collector_base& receiver) override {
    receivers_.push_back(&dynamic_cast<collector<T>&>(receiver));
  }
  bool has_receivers() const noexcept { return !receivers_.empty(); }
  void flush() override {
    if (size_ == 0)
      return;
    batch_->resize(size_);
    size_ = 0;
    const bool timed = times_ != nullptr;
    pass(*batch_);
    batch_->reset();
    times_ = batch_->enable_times(timed);
    adopt();
  }

 private:
  void adopt() noexcept {
    records_ = batch_->records();
    capacity_ = batch_->capacity();
    size_ = 0;
  }

  T* records_ = nullptr;
  event_time* times_ = nullptr;
  std::uint32_t size_ = 0;
  std::uint32_t capacity_ = 0;
  event_time time_{};
  std::optional<std::uint64_t> partition_; // of a source, that was said last
  std::unique_ptr<batch<T>> batch_;
  std::unique_ptr<batch<T>> copy_;
  std::vector<collector<T>*> receivers_;
};

} // namespace weir
