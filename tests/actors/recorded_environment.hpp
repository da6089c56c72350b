#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <weir/actors/task.hpp>

namespace weir::testing {

/// What a task sends and reports, and the time, which stands still.
class recorded_environment final : public task_environment {
 public:
  struct sent_batch {
    std::uint32_t channel;
    std::uint32_t size;
    friend bool operator==(const sent_batch&, const sent_batch&) = default;
  };

  void send_batch(std::uint32_t channel, batch_ptr records) override {
    sent.push_back({channel, records->size()});
    batches.push_back(std::move(records));
  }
  void send_marker(std::uint32_t, const marker&) override {}
  void return_credit(std::uint32_t, batch_ptr) override {}
  void schedule_turn(duration) override { ++turns; }
  void schedule_wakeup(duration) override {}
  std::chrono::steady_clock::time_point now() const override { return time; }
  void report_snapshot(checkpoint_id checkpoint, std::vector<std::shared_ptr<const operator_snapshot>> operators,
                       duration) override {
    snapshots[checkpoint] = std::move(operators);
  }
  void report_failed_snapshot(checkpoint_id, const std::string&) override {}
  void report_completion(checkpoint_id) override {}
  void report_end() override {}
  void report_entry_end() override {}
  void report_probe(const loop_probe&, bool) override {}

  std::vector<sent_batch> sent;
  std::vector<batch_ptr> batches;
  std::map<checkpoint_id, std::vector<std::shared_ptr<const operator_snapshot>>> snapshots;
  std::uint32_t turns = 0;
  std::chrono::steady_clock::time_point time{};
};

} // namespace weir::testing
