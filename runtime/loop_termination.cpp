#include <weir/runtime/loop_termination.hpp>

#include <algorithm>

namespace weir {

namespace {

bool all_of(const std::vector<bool>& facts) {
  return std::all_of(facts.begin(), facts.end(), [](bool fact) { return fact; });
}

} // namespace

loop_termination::step loop_termination::entry_ended(std::uint32_t head) {
  ended_.at(head) = true;
  return round_ == 0 && all_of(ended_) ? begin_round(step::probe) : step::none;
}

loop_termination::step loop_termination::probed(std::uint32_t head, std::uint32_t round, bool was_quiet) {
  if (round != round_)
    return step::none;
  probed_.at(head) = true;
  is_quiet_ = is_quiet_ && was_quiet;
  if (!all_of(probed_))
    return step::none;
  if (!is_quiet_)
    return begin_round(step::probe);
  return begun_with_ == step::pass_watermark ? step::close : begin_round(step::pass_watermark);
}

loop_termination::step loop_termination::begin_round(step how) {
  ++round_;
  begun_with_ = how;
  is_quiet_ = true;
  std::fill(probed_.begin(), probed_.end(), false);
  return how;
}

} // namespace weir
