#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "limit.hpp"
#include "limit_counts.hpp"

namespace bench {

namespace {

constexpr std::uint32_t batch_size = 1024;
constexpr std::uint32_t ring_size = 16;
constexpr std::uint32_t records_ahead = 32;

struct batch {
  std::uint32_t size = 0;
  bool is_last = false;
  std::array<event, batch_size> records;
};

/// Batches on their way from one thread to the other.
class ring {
 public:
  bool try_push(batch* one) noexcept {
    std::atomic<batch*>& place = places_[pushed_ % ring_size];
    if (place.load(std::memory_order_acquire))
      return false;
    place.store(one, std::memory_order_release);
    ++pushed_;
    return true;
  }
  batch* try_pop() noexcept {
    std::atomic<batch*>& place = places_[popped_ % ring_size];
    batch* const one = place.load(std::memory_order_acquire);
    if (one) {
      place.store(nullptr, std::memory_order_release);
      ++popped_;
    }
    return one;
  }

 private:
  alignas(64) std::uint32_t pushed_ = 0; // of one thread
  alignas(64) std::uint32_t popped_ = 0; // of the other
  alignas(64) std::array<std::atomic<batch*>, ring_size> places_{};
};

/// One of two threads: makes every other record, keeps the state of half of the keys, and never sleeps.
class worker {
 public:
  worker(std::uint32_t number, std::uint64_t keys)
      : number_(number), by_keys_(keys), table_(keys / 2 + 1), results_(batch_size),
        own_(std::make_unique<batch>()) {
    for (std::uint32_t i = 0; i < ring_size / 2; ++i)
      spare_.push_back((all_.emplace_back(std::make_unique<batch>())).get());
    outgoing_ = take_spare();
  }

  void connect(worker& other) { other_ = &other; }

  void run(std::uint64_t records) {
    for (std::uint64_t i = number_; i < records;) {
      i = make(i, records);
      if (own_->size > batch_size / 4 * 3)
        use(*own_);
      if (outgoing_->size > batch_size / 4 * 3)
        send();
      receive();
    }
    use(*own_);
    outgoing_->is_last = true;
    send();
    while (!is_other_done_)
      receive();
  }

  const totals& results() const { return totals_; }

 private:
  bool is_own(std::uint64_t key) const noexcept {
    return ((key * 0x9E3779B97F4A7C15 >> 20) & 1) == number_;
  }

  /// Member by member: as a whole it would be put together in memory first, and read before it is there.
  static void put(event& to, const event& one) noexcept {
    to.key = one.key;
    to.value = one.value;
    to.ts_ms = one.ts_ms;
  }

  /// Records from `i` on, until one of the two batches may be full.
  std::uint64_t make(std::uint64_t i, std::uint64_t records) {
    event* const own = own_->records.data();
    event* const outgoing = outgoing_->records.data();
    std::uint32_t owned = own_->size;
    std::uint32_t sent = outgoing_->size;
    for (std::uint32_t room = batch_size - std::max(owned, sent); room != 0 && i < records; --room, i += 2) {
      const event one = make_event(i, by_keys_);
      put(own[owned], one); // no branch: both are written, and one of them again
      put(outgoing[sent], one);
      const bool stays = is_own(one.key);
      owned += stays;
      sent += !stays;
    }
    own_->size = owned;
    outgoing_->size = sent;
    return i;
  }

  void use(batch& records) {
    const std::uint32_t size = records.size;
    result* const results = results_.data();
    std::array<std::size_t, records_ahead> homes;
    const auto find_home = [&](std::uint32_t i) {
      homes[i % records_ahead] = table_.home(records.records[i].key);
      table_.prefetch(homes[i % records_ahead]);
    };
    for (std::uint32_t i = 0; i < std::min(size, records_ahead); ++i)
      find_home(i);
    for (std::uint32_t i = 0; i < size; ++i) {
      const std::size_t home = homes[i % records_ahead];
      if (i + records_ahead < size)
        find_home(i + records_ahead);
      const event& in = records.records[i];
      count_slot& found = table_.find_key(home, in.key);
      found.sum += in.value;
      results[i] = {in.key, ++found.count, found.sum};
    }
    totals sum;
    for (std::uint32_t i = 0; i < size; ++i)
      sum.add(splitmix64(results[i].key), results[i].count);
    totals_ += sum;
    records.size = 0;
  }

  void send() {
    while (!other_->incoming_.try_push(outgoing_))
      receive();
    while (!(outgoing_ = take_spare()))
      receive();
  }

  void receive() {
    while (batch* const one = incoming_.try_pop()) {
      is_other_done_ = one->is_last;
      use(*one);
      while (!other_->returned_.try_push(one)) // never full: there are fewer batches
        ;
    }
    while (batch* const one = returned_.try_pop())
      spare_.push_back(one);
  }

  batch* take_spare() {
    if (spare_.empty())
      return nullptr;
    batch* const one = spare_.back();
    spare_.pop_back();
    return one;
  }

  struct result {
    std::uint64_t key;
    std::uint64_t count;
    std::uint64_t sum;
  };

  std::uint32_t number_;
  fast_modulo by_keys_;
  count_table table_;
  std::vector<result> results_;
  totals totals_;
  std::vector<std::unique_ptr<batch>> all_;
  std::vector<batch*> spare_;
  std::unique_ptr<batch> own_;
  batch* outgoing_ = nullptr;
  worker* other_ = nullptr;
  bool is_other_done_ = false;
  ring incoming_;
  ring returned_;
};

} // namespace

totals limit_keyed_sum_on_two(std::uint64_t keys, std::uint64_t records) {
  const auto first = std::make_unique<worker>(0, keys);
  const auto second = std::make_unique<worker>(1, keys);
  first->connect(*second);
  second->connect(*first);
  std::thread beside([&] { second->run(records); });
  first->run(records);
  beside.join();
  totals sum = first->results();
  sum += second->results();
  return sum;
}

} // namespace bench
