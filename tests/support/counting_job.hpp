#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <support/memory_sink.hpp>
#include <weir/actors/sources/generate.hpp>
#include <weir/runtime/topology.hpp>

namespace weir::testing {

using key_count = counted<std::uint64_t>;
using key_counts = committed_records<key_count>;

/// Counts numbers by their rest, and pauses so often that there is time to disturb it.
struct paced_counts {
  std::uint64_t records = 60'000;
  std::uint64_t keys = 17;
  std::chrono::microseconds pause{200}; ///< after each 64 records of a source

  topology job(const std::shared_ptr<key_counts>& results) const {
    topology made{"counting"};
    made.source("numbers", generate(
                               [pause = pause](std::uint64_t i) {
                                 if (i % 64 == 0)
                                   std::this_thread::sleep_for(pause);
                                 return i;
                               },
                               records))
        .key_by([keys = keys](std::uint64_t i) { return i % keys; })
        .count("count")
        .sink("results", memory_sink<key_count>{results});
    return made;
  }

  /// Every count of every key once.
  void check_complete(const key_counts& results) const {
    std::vector<std::pair<std::uint64_t, std::uint64_t>> got, wanted;
    for (const key_count& one : results.visible())
      got.emplace_back(one.key, one.count);
    for (std::uint64_t i = 0; i < records; ++i)
      wanted.emplace_back(i % keys, i / keys + 1);
    std::sort(got.begin(), got.end());
    std::sort(wanted.begin(), wanted.end());
    CHECK(got == wanted);
  }
};

} // namespace weir::testing
