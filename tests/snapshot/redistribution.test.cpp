#include <chrono>
#include <memory>

#include <doctest/doctest.h>

#include <weir/snapshot/redistribution.hpp>

using namespace weir;

namespace {

event_time at(int milliseconds) {
  return event_time{std::chrono::milliseconds{milliseconds}};
}

std::shared_ptr<const checkpoint_contents> instances_with(const std::vector<event_time>& watermarks) {
  auto contents = std::make_shared<checkpoint_contents>();
  for (const event_time watermark : watermarks) {
    operator_snapshot one;
    one.uid = "windows";
    one.instance = static_cast<std::uint32_t>(contents->operators.size());
    one.parallelism = static_cast<std::uint32_t>(watermarks.size());
    one.watermark = watermark;
    contents->operators.push_back(std::move(one));
  }
  return contents;
}

} // namespace

TEST_CASE("each instance goes on from its own watermark; if there are more or fewer, those of keyed operators catch up") {
  // They differ where some saw a channel idle that had come back for the others.
  const auto contents = instances_with({at(100), at(50)});
  const auto same = redistribute(contents, "windows", 2, true);
  CHECK(same[0].watermark == at(100));
  CHECK(same[1].watermark == at(50));
  CHECK(same[1].catch_up == no_watermark);
  for (const restored_state& one : redistribute(contents, "windows", 3, true)) {
    CHECK(one.watermark == at(50));
    CHECK(one.catch_up == at(100));
  }
  for (const restored_state& one : redistribute(contents, "windows", 3, false)) {
    CHECK(one.watermark == at(50));
    CHECK(one.catch_up == no_watermark); // each has the times of its own partitions
  }
  for (const restored_state& one : redistribute(instances_with({last_watermark, at(50)}), "windows", 1, true)) {
    CHECK(one.watermark == at(50));
    CHECK(one.catch_up == at(50));
  }
  for (const restored_state& one : redistribute(contents, "unknown", 2, true))
    CHECK(one.watermark == no_watermark);
}
