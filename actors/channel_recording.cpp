#include <weir/actors/channel_recording.hpp>

#include <string>
#include <utility>

namespace weir {

namespace {

/// What an item is; the numbers are stored.
enum class recorded_kind : std::uint8_t { batch = 0, watermark = 1, idle = 2, partition = 3 };

/// As much as is written at a time: about what a batch takes to be processed.
constexpr std::size_t bytes_per_step = std::size_t{64} << 10;

void write_marker(byte_writer& out, const marker& what) {
  switch (what.what) {
  case marker::kind::watermark:
    out.write_raw(recorded_kind::watermark);
    out.write_raw(std::int64_t{what.time.time_since_epoch().count()});
    break;
  case marker::kind::idle: out.write_raw(recorded_kind::idle); break;
  case marker::kind::partition:
    out.write_raw(recorded_kind::partition);
    out.write_raw(static_cast<std::uint8_t>(what.partition.what));
    out.write_raw(what.partition.partition);
    break;
  case marker::kind::barrier:
  case marker::kind::probe:
  case marker::kind::end_of_input: break;
  }
}

channel_item read_item(byte_reader& in, const batch_codec& codec) {
  const auto kind = in.read_raw<std::uint8_t>();
  switch (static_cast<recorded_kind>(kind)) {
  case recorded_kind::batch: return codec.read(in);
  case recorded_kind::watermark:
    return marker::watermark(event_time{std::chrono::milliseconds{in.read_raw<std::int64_t>()}});
  case recorded_kind::idle: return marker::idle();
  case recorded_kind::partition: {
    const auto what = in.read_raw<std::uint8_t>();
    if (what > static_cast<std::uint8_t>(partition_change::kind::replayed))
      throw malformed_bytes("a change of a partition of kind " + std::to_string(what));
    return marker::of_partition({static_cast<partition_change::kind>(what), in.read_raw<std::uint64_t>()});
  }
  }
  throw malformed_bytes("an item of kind " + std::to_string(kind));
}

bool is_recorded(const channel_item& item) {
  const auto* const what = std::get_if<marker>(&item);
  return !what || what->what == marker::kind::watermark || what->what == marker::kind::idle ||
         what->what == marker::kind::partition;
}

} // namespace

channel_recording::channel_recording(std::vector<const batch_codec*> codecs) {
  for (const batch_codec* codec : codecs)
    parts_.push_back({codec, false, 0, {}, {}, {}});
}

void channel_recording::open(std::uint32_t channel) {
  parts_[channel].is_open = true;
  ++open_;
}

void channel_recording::close(std::uint32_t channel) {
  if (std::exchange(parts_[channel].is_open, false))
    --open_;
}

void channel_recording::add(std::uint32_t channel, const channel_item& item) {
  if (!is_recorded(item))
    return;
  parts_[channel].unwritten.push_back(item);
  ++unwritten_;
}

void channel_recording::write_first(part& of) {
  const channel_item item = std::move(of.unwritten.front());
  of.unwritten.pop_front();
  --unwritten_;
  for (const marker& what : std::exchange(of.before, {}))
    write_marker(of.out, what);
  if (const auto* records = std::get_if<batch_ptr>(&item)) {
    of.out.write_raw(recorded_kind::batch);
    of.codec->write(of.out, **records);
    of.records += (*records)->size();
  } else {
    write_marker(of.out, std::get<marker>(item));
  }
}

void channel_recording::write_before(std::uint32_t channel, const batch_base& next) {
  part& of = parts_[channel];
  // Batches are processed in the order in which they came: if it is there, it is the first.
  for (const channel_item& item : of.unwritten)
    if (const auto* first = std::get_if<batch_ptr>(&item)) {
      if (&**first != &next)
        return;
      while (std::holds_alternative<marker>(of.unwritten.front()))
        write_first(of);
      write_first(of);
      return;
    }
}

void channel_recording::write_some() {
  std::size_t written = 0;
  while (unwritten_ != 0 && written < bytes_per_step) {
    part& of = parts_[next_];
    if (of.unwritten.empty()) {
      next_ = (next_ + 1) % parts_.size();
      continue;
    }
    const std::size_t before = of.out.size();
    write_first(of);
    written += of.out.size() - before;
  }
}

std::vector<recorded_channel> channel_recording::take() {
  std::vector<recorded_channel> all;
  for (std::uint32_t channel = 0; channel < parts_.size(); ++channel)
    if (part& one = parts_[channel]; one.out.size() != 0)
      all.push_back({channel, one.records, std::move(one.out).take()});
  return all;
}

std::deque<channel_item> read_recorded(std::string_view data, const batch_codec& codec) {
  std::deque<channel_item> items;
  for (byte_reader in(data); !in.at_end();)
    items.push_back(read_item(in, codec));
  return items;
}

bytes write_recorded(const std::deque<channel_item>& items, const batch_codec& codec) {
  channel_recording one({&codec});
  for (const channel_item& item : items)
    one.add(0, item);
  while (one.has_unwritten())
    one.write_some();
  auto made = one.take();
  return made.empty() ? bytes{} : std::move(made.front().data);
}

} // namespace weir
