#include <weir/runtime/cluster/link_frames.hpp>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <string>
#include <utility>

namespace weir {

namespace {

constexpr std::size_t head_size = 24;
constexpr std::size_t full_piece = std::size_t{16} << 10; // of small frames that are gathered

using detail::hashes_follow;
using detail::times_follow;

std::uint64_t flat_size(const batch_codec& codec, std::uint64_t records, std::uint8_t columns) {
  return records * (codec.record_size + ((columns & times_follow) != 0) * sizeof(event_time) +
                    ((columns & hashes_follow) != 0) * sizeof(std::uint64_t));
}

std::uint8_t columns_of(batch_base& records) {
  return static_cast<std::uint8_t>((records.times() ? times_follow : 0) | (records.hashes() ? hashes_follow : 0));
}

/// Written field by field, since a reader has to look at those that are not of any value.
bytes written_marker(const marker& what) {
  byte_writer out;
  out.write_raw(what.what);
  out.write_raw(what.time.time_since_epoch().count());
  out.write_raw(what.order.checkpoint.value);
  out.write_raw(what.order.base.value);
  out.write_raw(static_cast<std::uint8_t>(what.order.overtakes));
  out.write_raw(what.partition.what);
  out.write_raw(what.partition.partition);
  out.write_raw(what.probe.loop);
  out.write_raw(what.probe.round);
  return std::move(out).take();
}

marker read_marker(std::string_view data) {
  byte_reader in(data);
  marker made;
  made.what = in.read_raw<marker::kind>();
  made.time = event_time{std::chrono::milliseconds{in.read_raw<std::int64_t>()}};
  made.order.checkpoint = checkpoint_id{in.read_raw<std::uint64_t>()};
  made.order.base = checkpoint_id{in.read_raw<std::uint64_t>()};
  made.order.overtakes = in.read_truth();
  made.partition.what = in.read_raw<partition_change::kind>();
  made.partition.partition = in.read_raw<std::uint64_t>();
  made.probe.loop = in.read_raw<std::uint32_t>();
  made.probe.round = in.read_raw<std::uint32_t>();
  if (made.what > marker::kind::end_of_input || made.partition.what > partition_change::kind::replayed || !in.at_end())
    throw malformed_bytes("a marker that is none");
  return made;
}

std::string one_of_so_many(std::uint64_t found, std::uint64_t expected) {
  return "expected " + std::to_string(expected) + " bytes, found " + std::to_string(found);
}

} // namespace

bool link_writer::is_flat(const batch_codec& codec, batch_base& records) {
  return codec.record_size != 0 && flat_size(codec, records.size(), columns_of(records)) <= longest_link_body;
}

void link_writer::add_flat(std::uint32_t channel, const batch_codec& codec, batch_ptr records) {
  const std::uint8_t columns = columns_of(*records);
  add_head(link_frame::flat, channel, flat_size(codec, records->size(), columns), records->size(), columns);
  add_foreign(records->times(), ((columns & times_follow) != 0) * records->size() * sizeof(event_time));
  add_foreign(records->hashes(), ((columns & hashes_follow) != 0) * records->size() * sizeof(std::uint64_t));
  add_foreign(codec.begin(*records), records->size() * codec.record_size);
  pieces_.back().kept = std::move(records);
}

void link_writer::add_written(std::uint32_t channel, bytes records) {
  if (records.size() <= longest_link_body) {
    add_head(link_frame::batch, channel, records.size());
    return add_own(std::move(records));
  }
  for (std::string_view rest = records; !rest.empty();) {
    const std::string_view part = rest.substr(0, longest_link_body);
    rest.remove_prefix(part.size());
    add_head(rest.empty() ? link_frame::batch : link_frame::part, channel, part.size());
    add_own(bytes(part));
  }
}

void link_writer::add_marker(std::uint32_t channel, const marker& what) {
  const bytes body = written_marker(what);
  add_head(link_frame::marker, channel, body.size());
  add_small(body.data(), body.size());
}

void link_writer::add_credit(std::uint32_t channel) {
  add_head(link_frame::credit, channel, 0);
}

void link_writer::add_heartbeat() {
  add_head(link_frame::heartbeat, 0, 0);
}

void link_writer::add_head(link_frame what, std::uint32_t channel, std::size_t body, std::uint32_t records,
                           std::uint8_t columns) {
  char head[head_size] = {};
  const auto put = [&](std::size_t at, const auto& value) { std::memcpy(head + at, &value, sizeof value); };
  put(0, ++last_);
  put(8, channel);
  put(12, static_cast<std::uint32_t>(body));
  put(16, records);
  put(20, what);
  put(21, columns);
  add_small(head, sizeof head);
}

void link_writer::add_small(const void* data, std::size_t size) {
  if (!may_append_ || pieces_.back().own.size() >= full_piece)
    pieces_.emplace_back();
  may_append_ = true;
  piece& last = pieces_.back();
  last.own.append(static_cast<const char*>(data), size);
  last.data = last.own.data();
  last.size = last.own.size();
  size_ += size;
}

void link_writer::add_own(bytes data) {
  may_append_ = false;
  piece& last = pieces_.emplace_back();
  last.own = std::move(data);
  last.data = last.own.data();
  last.size = last.own.size();
  size_ += last.size;
}

void link_writer::add_foreign(const void* data, std::size_t size) {
  if (size == 0)
    return;
  may_append_ = false;
  pieces_.push_back({{}, static_cast<const char*>(data), size, {}});
  size_ += size;
}

std::span<const iovec> link_writer::next() {
  const std::size_t count = std::min(pieces_.size(), most_pieces);
  for (std::size_t i = 0; i < count; ++i)
    next_[i] = {const_cast<char*>(pieces_[i].data), pieces_[i].size};
  if (count == pieces_.size())
    may_append_ = false;
  return {next_.data(), count};
}

void link_writer::written(std::size_t count) {
  size_ -= count;
  while (!pieces_.empty() && count >= pieces_.front().size) {
    count -= pieces_.front().size;
    pieces_.pop_front();
  }
  if (count != 0) {
    pieces_.front().data += count;
    pieces_.front().size -= count;
  }
  if (pieces_.empty())
    may_append_ = false;
}

std::span<const iovec> link_reader::space() {
  if (begin_ == end_)
    begin_ = end_ = 0;
  targets_[last_target_] = {buffer_.data() + end_, buffer_.size() - end_};
  return {targets_.data() + first_target_, last_target_ - first_target_ + 1};
}

void link_reader::received(std::size_t count, link_frames_receiver& receiver) {
  end_ += fill_targets(count);
  for (;;) {
    if (is_in_body_) {
      take_from_buffer();
      if (first_target_ != last_target_)
        return;
      is_in_body_ = false;
      end_frame(receiver);
    } else if (end_ - begin_ >= head_size) {
      head_ = read_head();
      is_in_body_ = true;
      begin_body(receiver);
    } else {
      std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
      end_ -= std::exchange(begin_, 0);
      return;
    }
  }
}

/// Returns how many bytes are left.
std::size_t link_reader::fill_targets(std::size_t count) {
  while (first_target_ != last_target_) {
    iovec& target = targets_[first_target_];
    const std::size_t part = std::min(count, target.iov_len);
    target.iov_base = static_cast<char*>(target.iov_base) + part;
    target.iov_len -= part;
    count -= part;
    if (target.iov_len != 0)
      break;
    ++first_target_;
  }
  return count;
}

void link_reader::take_from_buffer() {
  while (first_target_ != last_target_ && begin_ != end_) {
    const std::size_t part = std::min(end_ - begin_, targets_[first_target_].iov_len);
    std::memcpy(targets_[first_target_].iov_base, buffer_.data() + begin_, part);
    begin_ += part;
    fill_targets(part);
  }
}

link_reader::frame_head link_reader::read_head() {
  byte_reader in(std::string_view(buffer_.data() + begin_, head_size));
  begin_ += head_size;
  if (const auto number = in.read_raw<std::uint64_t>(); number != ++last_)
    throw malformed_bytes("expected frame " + std::to_string(last_) + ", found frame " + std::to_string(number) +
                          ": something was lost or came twice");
  frame_head head;
  head.channel = in.read_raw<std::uint32_t>();
  head.size = in.read_raw<std::uint32_t>();
  head.records = in.read_raw<std::uint32_t>();
  head.what = in.read_raw<link_frame>();
  head.columns = in.read_raw<std::uint8_t>();
  if (head.what > link_frame::credit)
    throw malformed_bytes("a frame of an unknown kind, " + std::to_string(static_cast<int>(head.what)));
  if (head.size > longest_link_body)
    throw malformed_bytes("expected a frame with a body of at most " + std::to_string(longest_link_body) +
                          " bytes, found " + std::to_string(head.size));
  return head;
}

void link_reader::begin_body(link_frames_receiver& receiver) {
  first_target_ = last_target_ = 0;
  switch (head_.what) {
  case link_frame::flat: return begin_flat(receiver);
  case link_frame::heartbeat:
  case link_frame::credit:
    if (head_.size != 0)
      throw malformed_bytes("a heartbeat or a credit: " + one_of_so_many(head_.size, 0));
    break;
  case link_frame::marker:
  case link_frame::part:
  case link_frame::batch: break;
  }
  body_.resize(head_.size);
  add_target(body_.data(), body_.size());
}

void link_reader::begin_flat(link_frames_receiver& receiver) {
  const batch_codec& codec = receiver.codec_of(head_.channel);
  const std::uint64_t size = flat_size(codec, head_.records, head_.columns);
  if (codec.record_size == 0 || head_.columns > (times_follow | hashes_follow) || size != head_.size)
    throw malformed_bytes("a batch of " + std::to_string(head_.records) + " records on channel " +
                          std::to_string(head_.channel) + ": " + one_of_so_many(head_.size, size));
  flat_ = receiver.take_empty(head_.channel, head_.records);
  flat_->reset();
  flat_->resize(head_.records);
  if ((head_.columns & times_follow) != 0)
    add_target(flat_->enable_times(true), head_.records * sizeof(event_time));
  if ((head_.columns & hashes_follow) != 0)
    add_target(flat_->enable_hashes(), head_.records * sizeof(std::uint64_t));
  add_target(codec.begin(*flat_), head_.records * codec.record_size);
}

void link_reader::add_target(void* data, std::size_t size) {
  if (size != 0)
    targets_[last_target_++] = {data, size};
}

void link_reader::end_frame(link_frames_receiver& receiver) {
  first_target_ = last_target_ = 0;
  switch (head_.what) {
  case link_frame::heartbeat: return;
  case link_frame::flat: return receiver.receive_flat(head_.channel, std::move(flat_));
  case link_frame::credit: return receiver.receive_credit(head_.channel);
  case link_frame::marker: return receiver.receive_marker(head_.channel, read_marker(body_));
  case link_frame::part:
  case link_frame::batch: return end_written_batch(receiver);
  }
}

void link_reader::end_written_batch(link_frames_receiver& receiver) {
  if (!parts_.empty() && head_.channel != parts_channel_)
    throw malformed_bytes("a batch on channel " + std::to_string(head_.channel) + " inside of one on channel " +
                          std::to_string(parts_channel_));
  receiver.codec_of(head_.channel); // that there is such a channel
  parts_channel_ = head_.channel;
  if (head_.what == link_frame::batch && parts_.empty())
    return receiver.receive_written(head_.channel, std::exchange(body_, {}));
  if (parts_.size() + body_.size() > longest_link_batch)
    throw malformed_bytes("expected a batch of at most " + std::to_string(longest_link_batch) + " bytes");
  parts_ += body_;
  if (head_.what == link_frame::batch)
    receiver.receive_written(head_.channel, std::exchange(parts_, {}));
}

} // namespace weir
