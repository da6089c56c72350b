#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include <weir/actors/batch.hpp>
#include <weir/actors/collector.hpp>
#include <weir/actors/output_channel.hpp>
#include <weir/actors/progress.hpp>
#include <weir/actors/record.hpp>
#include <weir/base/hash.hpp>

namespace weir {

/// How the records of one edge are divided among the instances of the receiving operator.
enum class partitioning : std::uint8_t {
  forward,   ///< instance i to instance i; such an edge may be chained
  hash,      ///< by key group
  rebalance, ///< a batch to each in turn
  broadcast, ///< every record to every instance
};

/// The sending end of one edge in one task: distributes records over the edge's channels.
class exchange_base : public progress_receiver {
 public:
  explicit exchange_base(std::vector<output_channel*> channels) : channels_(std::move(channels)) {}
  /// Sends the batches that are not full yet.
  virtual void flush() = 0;

  /// Sends those of them whose receivers are done with all before. The channels of the others want more.
  virtual void flush_idle() = 0;

  /// Sends the batch for one receiver, full or not.
  virtual void flush(std::uint32_t receiver) = 0;

  /// Whether records wait in batches that are not full yet.
  virtual bool has_partial() const = 0;

  /// The receiving end for the chain.
  virtual collector_base& input() = 0;

  /// Sends `what` to every receiver, after all records so far.
  void send_all(const marker& what) {
    flush();
    for (output_channel* channel : channels_)
      channel->send(what);
  }

  void receive_watermark(event_time time) override { send_all(marker::watermark(time)); }
  void receive_idleness() override { send_all(marker::idle()); }
  void receive_partition(const partition_change&) override {}

 protected:
  std::vector<output_channel*> channels_;
};

/// Fills batches for one channel.
///
/// Cost: a record is a store or two; where the next one goes is kept here, not read from the batch.
template <record T>
class channel_writer {
 public:
  channel_writer(output_channel& channel, std::uint32_t capacity)
      : channel_(&channel), capacity_(capacity) {}

  /// Makes room for a record, with an event time or without one.
  void prepare(bool timed) {
    if (size_ == room_ || timed != (times_ != nullptr))
      make_room(timed);
  }

  /// Adds one record, with its event time and key hash where it has them. There must be room for it, and there is
  /// afterwards.
  template <bool Timed, bool Hashed>
  void append(T&& record, event_time time, std::uint64_t hash) {
    records_[size_] = std::move(record);
    if constexpr (Timed)
      times_[size_] = time;
    if constexpr (Hashed)
      hashes_[size_] = hash;
    if (++size_ == room_) [[unlikely]]
      make_room(Timed);
  }

  /// Whether taking over `records` whole saves copying, and does not cost a batch for a few records.
  bool takes(const batch<T>& records) const noexcept {
    return size_ == 0 && std::uint64_t{records.size()} * 2 >= capacity();
  }

  /// Takes over the content of `records`, which takes() is true of.
  void take(batch<T>& records) {
    open();
    batch<T>& current = batch_of(current_);
    current.swap(records);
    adopt(current);
    if (size_ == room_)
      flush();
  }

  void flush() {
    if (size_ == 0)
      return;
    current_->resize(size_);
    channel_->send(std::move(current_));
    size_ = room_ = 0;
    times_ = nullptr;
  }

  void flush_idle() {
    if (channel_->is_idle())
      flush();
    else if (has_partial())
      channel_->want_more();
  }

  bool has_partial() const { return size_ != 0; }

  void enable_hashes() { is_hashed_ = true; }

 private:
  std::uint32_t capacity() const noexcept { return channel_->scaled(capacity_); }

  static batch<T>& batch_of(const batch_ptr& records) { return static_cast<batch<T>&>(*records); }

  /// Makes current_ an empty batch.
  void open() {
    if (!current_) {
      current_ = channel_->take_spare();
      if (!current_)
        current_ = batch_ptr(new batch<T>(capacity()));
    }
    current_->reset();
  }

  [[gnu::noinline]] void make_room(bool timed) {
    flush();
    open();
    current_->enable_times(timed);
    adopt(batch_of(current_));
  }

  void adopt(batch<T>& current) {
    records_ = current.records();
    times_ = current.times();
    if (is_hashed_)
      hashes_ = current.enable_hashes();
    size_ = current.size();
    room_ = current.capacity();
  }

  output_channel* channel_;
  std::uint32_t capacity_; // of a batch that stays in this process
  bool is_hashed_ = false;

  batch_ptr current_;
  T* records_ = nullptr; // of current_, as are the following
  event_time* times_ = nullptr;
  std::uint64_t* hashes_ = nullptr;
  std::uint32_t size_ = 0; // what current_ will be resized to
  std::uint32_t room_ = 0;
};

/// What all exchanges of one type of records have: a writer for each channel.
template <record T>
class exchange_of : public exchange_base, public collector<T> {
 public:
  exchange_of(std::vector<output_channel*> channels, std::uint32_t batch_size)
      : exchange_base(std::move(channels)) {
    for (output_channel* channel : channels_)
      writers_.emplace_back(*channel, batch_capacity<T>(batch_size));
  }

  void flush() override {
    for (channel_writer<T>& writer : writers_)
      writer.flush();
  }
  void flush_idle() override {
    for (channel_writer<T>& writer : writers_)
      writer.flush_idle();
  }
  void flush(std::uint32_t receiver) override { writers_[receiver].flush(); }
  bool has_partial() const override {
    return std::any_of(writers_.begin(), writers_.end(),
                       [](const channel_writer<T>& writer) { return writer.has_partial(); });
  }
  collector_base& input() override { return *this; }

 protected:
  std::vector<channel_writer<T>> writers_; // for each channel, in their order
};

/// forward, rebalance and broadcast: what does not look into the records.
template <record T>
class plain_exchange final : public exchange_of<T> {
 public:
  plain_exchange(partitioning how, std::vector<output_channel*> channels, std::uint32_t batch_size)
      : exchange_of<T>(std::move(channels), batch_size), how_(how) {}

  void receive(batch<T>& records) override {
    if (how_ == partitioning::broadcast) {
      for (std::size_t i = 0; i + 1 < writers_.size(); ++i)
        copy(writers_[i], records);
      move(writers_.back(), records);
      return;
    }
    move(writers_[turn_], records);
    change_turns();
  }

  void flush() override {
    exchange_of<T>::flush();
    change_turns();
  }
  void flush_idle() override {
    exchange_of<T>::flush_idle();
    if (how_ == partitioning::rebalance)
      find_idle();
  }
  void flush(std::uint32_t receiver) override {
    exchange_of<T>::flush(receiver);
    change_turns();
  }

  void receive_partition(const partition_change& change) override {
    if (how_ == partitioning::forward)
      this->send_all(marker::of_partition(change));
  }

 private:
  using exchange_of<T>::writers_;

  /// What comes next is for a receiver with nothing to do, if there is one, though another may have been begun with.
  void find_idle() {
    for (std::size_t n = 1; n <= writers_.size(); ++n)
      if (const std::size_t next = (turn_ + n) % writers_.size(); this->channels_[next]->is_idle()) {
        turn_ = next;
        return;
      }
  }

  /// Whoever has got a batch has had its turn.
  void change_turns() {
    if (how_ == partitioning::rebalance && !writers_[turn_].has_partial())
      turn_ = (turn_ + 1) % writers_.size();
  }

  static void copy(channel_writer<T>& writer, batch<T>& records) {
    append(writer, records, [](T& record) { return T(record); });
  }
  static void move(channel_writer<T>& writer, batch<T>& records) {
    if (writer.takes(records))
      writer.take(records);
    else
      append(writer, records, [](T& record) { return std::move(record); });
  }

  template <class Give>
  static void append(channel_writer<T>& writer, batch<T>& records, Give give) {
    const event_time* times = records.times();
    writer.prepare(times != nullptr);
    for (std::uint32_t i = 0; i < records.size(); ++i)
      if (times)
        writer.template append<true, false>(give(records[i]), times[i], 0);
      else
        writer.template append<false, false>(give(records[i]), {}, 0);
  }

  partitioning how_;
  std::size_t turn_ = 0;
};

/// hash: each record goes to the instance that owns its key's group, with the hash beside it.
template <record T, class KeyOf>
class hash_exchange final : public exchange_of<T> {
 public:
  hash_exchange(KeyOf key_of, std::vector<output_channel*> channels, std::uint32_t batch_size,
                std::uint32_t groups)
      : exchange_of<T>(std::move(channels), batch_size), key_of_(std::move(key_of)), groups_(groups) {
    for (channel_writer<T>& writer : writers_)
      writer.enable_hashes();
    const auto parallelism = static_cast<std::uint32_t>(writers_.size());
    for (std::uint32_t group = 0; group < groups; ++group)
      writer_of_group_.push_back(&writers_[instance_of(key_group{group}, parallelism, groups)]);
  }

  void receive(batch<T>& records) override {
    const std::uint32_t size = records.size();
    if (writers_.size() == 1 && writers_[0].takes(records)) {
      std::uint64_t* hashes = records.enable_hashes();
      for (std::uint32_t i = 0; i < size; ++i)
        hashes[i] = hash_of(key_of_(std::as_const(records[i])));
      writers_[0].take(records);
      writers_[0].flush();
      return;
    }
    for (channel_writer<T>& writer : writers_)
      writer.prepare(records.times() != nullptr);
    if (records.times())
      divide<true>(records);
    else
      divide<false>(records);
  }

 private:
  using exchange_of<T>::writers_;

  template <bool Timed>
  void divide(batch<T>& records) {
    T* const all = records.records();
    const event_time* const times = records.times();
    channel_writer<T>* const* const writers = writer_of_group_.data();
    const std::uint32_t size = records.size();
    for (std::uint32_t i = 0; i < size; ++i) {
      const std::uint64_t hash = hash_of(key_of_(std::as_const(all[i])));
      channel_writer<T>& to = *writers[key_group_of(hash, groups_).value];
      to.template append<Timed, true>(std::move(all[i]), Timed ? times[i] : event_time{}, hash);
    }
  }

  KeyOf key_of_;
  std::uint32_t groups_;
  std::vector<channel_writer<T>*> writer_of_group_;
};

} // namespace weir
