#include <weir/actors/operator.hpp>

#include <stdexcept>

#include <weir/base/log.hpp>

namespace weir {

namespace {

/// Each tenfold number of dropped records is told.
bool is_to_be_told(std::uint64_t dropped, std::uint64_t& next) {
  if (dropped < next)
    return false;
  next = dropped * 10;
  return true;
}

} // namespace

void operator_base::open(const operator_context& context, const restored_state& restored) {
  context_ = context;
  counts_ = restored.counts;
  next_warning_ = counts_.dropped + 1;
  drained_ = restored.drained;
  watermark_ = restored.watermark;
  ports_ = outputs();
  guarded("opening", [&] { on_open(restored); });
}

collector_base& operator_base::input(std::size_t) {
  throw std::logic_error("the operator '" + context_.name + "' has no such input");
}

source_turn operator_base::take_turn() {
  throw std::logic_error("the operator '" + context_.name + "' is no source");
}

bool operator_base::advance(event_time watermark) {
  if (watermark < watermark_ || (!follows_watermarks() && watermark != last_watermark))
    return true;
  const bool is_done = guarded("acting on a watermark", [&] { return on_watermark(watermark); });
  if (is_done)
    watermark_ = watermark;
  return is_done;
}

bool operator_base::wake(event_time now) {
  return guarded("acting on a timer", [&] { return on_wakeup(now); });
}

void operator_base::forward(event_time watermark) {
  if (watermark >= watermark_ && (follows_watermarks() || watermark == last_watermark))
    send_watermark(watermark);
}

void operator_base::send_watermark(event_time watermark) {
  watermark_ = watermark;
  for (output_port* port : ports_)
    port->send_watermark(watermark);
}

void operator_base::receive_watermark(event_time time) {
  while (!advance(time))
    ;
  forward(time);
}

void operator_base::receive_idleness() {
  for (output_port* port : ports_)
    port->send_idleness();
}

void operator_base::receive_partition(const partition_change& change) {
  for (output_port* port : ports_)
    port->send_partition(change);
}

bool operator_base::drain() {
  if (!drained_)
    drained_ = guarded("draining after the end of its input", [&] { return on_drain(); });
  return drained_;
}

operator_snapshot operator_base::begin_snapshot(const snapshot_order& order) {
  operator_snapshot made;
  made.uid = context_.uid;
  made.instance = context_.instance;
  made.parallelism = context_.parallelism;
  made.drained = drained_;
  made.counts = counts_;
  made.watermark = watermark_;
  made.base = order.base;
  guarded("taking a snapshot", [&] { on_snapshot(order, made); });
  return made;
}

bool operator_base::write_snapshot(operator_snapshot& made) {
  return guarded("taking a snapshot", [&] { return on_write_snapshot(made); });
}

void operator_base::drop_records(std::uint64_t count) {
  counts_.in += count;
  counts_.dropped += count;
  if (is_to_be_told(counts_.dropped, next_warning_))
    log_warning("records were fed back when the loop was over, and are dropped: emit them before the end of input",
                {{"operator", context_.name}, {"instance", context_.instance}, {"dropped", counts_.dropped}});
}

void operator_base::count_dropped() {
  if (is_to_be_told(++counts_.dropped, next_warning_))
    log_warning("records come too late and are dropped: read late() (of a join late_first() and "
                "late_second()), or set allowed_lateness or a larger bounded_disorder",
                {{"operator", context_.name}, {"instance", context_.instance}, {"dropped", counts_.dropped}});
}

void operator_base::fail_for_time(event_time time) {
  throw std::runtime_error("an event time of " + std::to_string(time.time_since_epoch().count()) +
                           " ms since 1970: expected one within 36 million years of it; filter out records "
                           "that have no time");
}

std::string operator_base::place() const {
  return "operator '" + context_.name + "', instance " + std::to_string(context_.instance) + " of " +
         std::to_string(context_.parallelism);
}

void operator_base::fail_at_record(std::uint32_t index) const {
  throw operator_error(place() + ", record " + std::to_string(counts_.in + index + 1),
                       current_exception_text());
}

void operator_base::fail_while(const char* doing) const {
  throw operator_error(place() + ", while " + doing, current_exception_text());
}

} // namespace weir
