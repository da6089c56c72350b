#include <weir/actors/batch_codec.hpp>

namespace weir::detail {

namespace {

constexpr std::uint32_t largest_batch = 1u << 20; // records; those that tasks make are far smaller

} // namespace

void write_columns(byte_writer& out, batch_base& records) {
  const event_time* const times = records.times();
  const std::uint64_t* const hashes = records.hashes();
  out.write_raw(records.size());
  out.write_raw(static_cast<std::uint8_t>((times ? times_follow : 0) | (hashes ? hashes_follow : 0)));
  if (times)
    out.write(times, records.size() * sizeof *times);
  if (hashes)
    out.write(hashes, records.size() * sizeof *hashes);
}

batch_columns read_columns_head(byte_reader& in) {
  const auto size = in.read_raw<std::uint32_t>();
  const auto columns = in.read_raw<std::uint8_t>();
  if (columns > (times_follow | hashes_follow))
    throw malformed_bytes("a batch with columns " + std::to_string(columns));
  const batch_columns head{size, (columns & times_follow) != 0, (columns & hashes_follow) != 0};
  // The memory for a batch is taken before its records are read.
  const std::size_t least = std::size_t{size} * (8 * head.has_times + 8 * head.has_hashes);
  if (size > largest_batch || least > in.remaining())
    throw malformed_bytes("a batch of " + std::to_string(size) + " records with only " +
                          std::to_string(in.remaining()) + " bytes left");
  return head;
}

void read_columns(byte_reader& in, const batch_columns& head, batch_base& into) {
  if (head.has_times)
    in.read(into.enable_times(true), head.size * sizeof(event_time));
  if (head.has_hashes)
    in.read(into.enable_hashes(), head.size * sizeof(std::uint64_t));
}

void append_columns(batch_base& from, std::uint32_t index, batch_base& into) {
  if (const event_time* times = from.times())
    into.enable_times(true)[into.size()] = times[index];
  if (const std::uint64_t* hashes = from.hashes())
    into.enable_hashes()[into.size()] = hashes[index];
}

} // namespace weir::detail
