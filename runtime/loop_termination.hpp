#pragma once

#include <cstdint>
#include <vector>

namespace weir {

/// Finds out when a loop is over: nothing comes in any more, and nothing goes round.
///
/// Once the input of all tasks that the loop begins with has ended, each of them sends a probe behind all it has sent
/// so far. Tasks in the loop pass a probe on when it has come on all their channels, so that it drives everything before
/// it back to where the loop begins. If nothing has come back to any of them by the time the probes have, nothing is left;
/// otherwise there is another round. That is counted and not timed: a record that takes long is waited for.
///
/// When nothing is left the last watermark may pass, which may make new records; when those have gone round, too, it
/// passes again, for what they have left behind. Once it makes nothing the loop is closed.
///
/// Plain data: facts in, steps out.
class loop_termination {
 public:
  enum class step : std::uint8_t {
    none,           ///< wait for the next fact
    probe,          ///< all heads send a probe of round()
    pass_watermark, ///< all heads let the last watermark pass, and then send a probe of round()
    close,          ///< the loop is over
  };

  /// `heads`: how many tasks the loop begins with.
  explicit loop_termination(std::uint32_t heads) : ended_(heads), probed_(heads) {}

  step entry_ended(std::uint32_t head);
  step probed(std::uint32_t head, std::uint32_t round, bool was_quiet);

  std::uint32_t round() const noexcept { return round_; }

 private:
  step begin_round(step how);

  std::vector<bool> ended_;
  std::vector<bool> probed_; // in this round
  bool is_quiet_ = true;     // as far as is known of this round
  step begun_with_ = step::none; // this round
  std::uint32_t round_ = 0;  // 0: none has begun
};

} // namespace weir
