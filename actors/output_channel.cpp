#include <weir/actors/output_channel.hpp>

#include <algorithm>
#include <utility>

namespace weir {

void output_channel::send(batch_ptr records) {
  wants_more_ = false; // this is it; what has waited longer is not
  if (free_ <= 0 || !waiting_.empty()) {
    waiting_.emplace_back(std::move(records));
    return;
  }
  hand_over(std::move(records));
}

void output_channel::hand_over(batch_ptr records) {
  --free_;
  transport_.send_batch(index_, std::move(records));
}

void output_channel::send(const marker& what) {
  if (waiting_.empty())
    transport_.send_marker(index_, what);
  else
    waiting_.emplace_back(what);
}

void output_channel::send_on_credit() {
  for (channel_item& item : std::exchange(waiting_, {}))
    if (auto* records = std::get_if<batch_ptr>(&item))
      hand_over(std::move(*records));
    else
      transport_.send_marker(index_, std::get<marker>(item));
}

bool output_channel::holds_barrier(checkpoint_id checkpoint) const {
  return std::any_of(waiting_.begin(), waiting_.end(), [&](const channel_item& item) {
    const auto* const what = std::get_if<marker>(&item);
    return what && what->what == marker::kind::barrier && what->order.checkpoint == checkpoint;
  });
}

void output_channel::credit_returned(batch_ptr emptied) {
  ++free_;
  if (emptied && spare_.size() < most_spare)
    spare_.push_back(std::move(emptied));
  send_waiting();
}

batch_ptr output_channel::take_spare() {
  if (spare_.empty())
    return {};
  batch_ptr spare = std::move(spare_.back());
  spare_.pop_back();
  return spare;
}

void output_channel::send_waiting() {
  while (!waiting_.empty()) {
    if (auto* records = std::get_if<batch_ptr>(&waiting_.front())) {
      if (free_ <= 0)
        return;
      hand_over(std::move(*records));
    } else {
      transport_.send_marker(index_, std::get<marker>(waiting_.front()));
    }
    waiting_.pop_front();
  }
}

} // namespace weir
