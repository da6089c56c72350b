#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

#include <weir/base/clock.hpp>

namespace weir {

class batch_ptr;

/// The part of a batch that does not depend on the record type: its length, and two optional columns
/// beside the records, event times and key hashes.
///
/// Ownership:     by batch_ptr, one side at a time; it travels to the receiver and comes back with
///                the credit, so its memory is used again.
/// Thread safety: none; handing over the batch_ptr in a message is the synchronization.
class batch_base {
 public:
  batch_base(const batch_base&) = delete;
  batch_base& operator=(const batch_base&) = delete;
  virtual ~batch_base();

  std::uint32_t size() const noexcept { return size_; }
  std::uint32_t capacity() const noexcept { return capacity_; }
  bool is_empty() const noexcept { return size_ == 0; }
  bool is_full() const noexcept { return size_ == capacity_; }

  /// Sets the number of records that count. Records beyond it stay constructed, for reuse.
  void resize(std::uint32_t size) noexcept { size_ = size; }

  /// The column of event times, or nullptr where the records carry none.
  event_time* times() noexcept { return timed_ ? times_.get() : nullptr; }

  /// The column of key hashes, or nullptr where the batch did not come over a keyed exchange.
  const std::uint64_t* hashes() const noexcept { return hashed_ ? hashes_.get() : nullptr; }

  /// Turns the column of event times on or off and returns it.
  event_time* enable_times(bool enabled);
  std::uint64_t* enable_hashes();

  /// Takes the first records out into a batch of their own; the others move up. `count` is less than size(), and
  /// nobody else owns the batch.
  virtual batch_ptr take_front(std::uint32_t count) = 0;

  bool is_shared() const noexcept { return owners_.load(std::memory_order_acquire) > 1; }

  /// Empties the batch and turns its columns off.
  void reset() noexcept {
    size_ = 0;
    timed_ = hashed_ = false;
  }

  void retain() noexcept { owners_.fetch_add(1, std::memory_order_relaxed); }
  void release() noexcept {
    if (owners_.fetch_sub(1, std::memory_order_acq_rel) == 1)
      delete this;
  }

 protected:
  explicit batch_base(std::uint32_t capacity) : capacity_(capacity) {}
  void swap_base(batch_base& other) noexcept;

 private:
  std::uint32_t size_ = 0;
  std::uint32_t capacity_;
  bool timed_ = false;
  bool hashed_ = false;
  std::atomic<std::uint32_t> owners_{0};
  std::unique_ptr<event_time[]> times_;
  std::unique_ptr<std::uint64_t[]> hashes_;
};

/// Records of one type in one contiguous block.
template <class T>
class batch final : public batch_base {
 public:
  explicit batch(std::uint32_t capacity)
      : batch_base(capacity), records_(std::make_unique_for_overwrite<T[]>(capacity)) {}

  T* records() noexcept { return records_.get(); }
  T& operator[](std::size_t i) noexcept { return records_[i]; }
  T* begin() noexcept { return records_.get(); }
  T* end() noexcept { return records_.get() + size(); }

  batch_ptr take_front(std::uint32_t count) override;

  /// Exchanges everything with `other`: how a full batch changes hands without a copy.
  void swap(batch& other) noexcept {
    swap_base(other);
    records_.swap(other.records_);
  }

  /// Makes this a copy of `other`, which must not be larger than this one's capacity.
  void copy_from(batch& other) {
    reset();
    std::copy_n(other.records(), other.size(), records());
    if (const event_time* times = other.times())
      std::copy_n(times, other.size(), enable_times(true));
    resize(other.size());
  }

 private:
  std::unique_ptr<T[]> records_;
};

/// Shared ownership of a batch of any type; what a message between tasks carries.
class batch_ptr {
 public:
  batch_ptr() = default;
  explicit batch_ptr(batch_base* owned) noexcept : batch_(owned) {
    if (batch_)
      batch_->retain();
  }
  batch_ptr(const batch_ptr& other) noexcept : batch_ptr(other.batch_) {}
  batch_ptr(batch_ptr&& other) noexcept : batch_(std::exchange(other.batch_, nullptr)) {}
  batch_ptr& operator=(batch_ptr other) noexcept {
    std::swap(batch_, other.batch_);
    return *this;
  }
  ~batch_ptr() {
    if (batch_)
      batch_->release();
  }

  batch_base& operator*() const noexcept { return *batch_; }
  batch_base* operator->() const noexcept { return batch_; }
  explicit operator bool() const noexcept { return batch_ != nullptr; }

 private:
  batch_base* batch_ = nullptr;
};

template <class T>
batch_ptr batch<T>::take_front(std::uint32_t count) {
  auto* front = new batch(count);
  batch_ptr taken(front);
  const auto take = [&](auto* from, auto* to) {
    std::move(from, from + count, to);
    std::move(from + count, from + size(), from);
  };
  take(records(), front->records());
  if (event_time* from = times())
    take(from, front->enable_times(true));
  if (hashes())
    take(enable_hashes(), front->enable_hashes());
  front->resize(count);
  resize(size() - count);
  return taken;
}

/// The number of records of type T in a full batch: `limit`, or as many as 24 KiB hold.
template <class T>
constexpr std::uint32_t batch_capacity(std::uint32_t limit) noexcept {
  constexpr std::size_t fit = std::size_t{24} * 1024 / sizeof(T);
  return static_cast<std::uint32_t>(
      std::max<std::size_t>(1, std::min<std::size_t>(limit, fit)));
}

} // namespace weir
