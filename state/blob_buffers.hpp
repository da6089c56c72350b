#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

#include <weir/base/bytes.hpp>
#include <weir/state/operator_snapshot.hpp>

namespace weir {

/// The memory that snapshots of a task were written into, for the next ones.
///
/// Memory that is fresh from the system costs a page fault for every 4 KiB, which is more than writing a snapshot into
/// them, and it goes back to the system with every snapshot that has been stored.
///
/// Thread safety: any thread.
/// Cost:          holds at most 32 MiB, and nothing that two snapshots in a row had no use for. Small buffers are left
///                to the allocator.
class blob_buffers {
 public:
  /// Buffers with less room are not kept.
  static constexpr std::size_t least_size = 4096;
  static constexpr std::size_t most_held = std::size_t{32} << 20;

  /// An empty string with room for so many bytes.
  bytes take(std::size_t size);

  /// What nobody reads any more.
  void give_back(bytes used) noexcept;

  /// The next snapshot begins.
  void next_snapshot();

  /// How many bytes there is room for in what is held.
  std::size_t held() const;

 private:
  struct buffer {
    bytes memory;
    std::uint64_t given_back; // during which snapshot
  };

  mutable std::mutex mutex_;
  std::multimap<std::size_t, buffer> buffers_; // by their capacity
  std::size_t held_ = 0;
  std::uint64_t snapshots_ = 0;
};

/// A snapshot that gives the data of its key groups back to `buffers` when nobody holds it any more.
std::shared_ptr<operator_snapshot> shared_snapshot(operator_snapshot made, std::shared_ptr<blob_buffers> buffers);

} // namespace weir
