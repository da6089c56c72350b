#include <weir/state/timers.hpp>

#include <algorithm>
#include <memory>

namespace weir {

namespace {

using cell = keyed_timers::cell;

std::uint64_t hash_of_timer(const timer& what) {
  return mix(static_cast<std::uint64_t>(what.time.time_since_epoch().count()) * 2 +
             static_cast<std::uint64_t>(what.domain));
}

struct is_later {
  bool operator()(const keyed_timers::due_timer& a, const keyed_timers::due_timer& b) const noexcept {
    return a.time != b.time ? a.time > b.time : a.hash > b.hash;
  }
};

void write_timers(byte_writer& out, const cell& timers) {
  out.write_raw(std::uint64_t{timers.size()});
  timers.for_each([&](const timer& one) {
    out.write_raw(std::int64_t{one.time.time_since_epoch().count()});
    out.write_raw(static_cast<std::uint8_t>(one.domain));
  });
}

void read_timers(byte_reader& in, cell& timers) {
  timers = {};
  for (std::size_t left = in.read_size(); left != 0; --left) {
    const event_time time{std::chrono::milliseconds{in.read_raw<std::int64_t>()}};
    timers.insert({time, in.read_truth() ? time_domain::processing : time_domain::event});
  }
}

} // namespace

row_column keyed_timers::declaration::column() const {
  row_column made = detail::column_of_cells<cell>(timers_state, "timers", "list<{i64, u8}>", {});
  made.is_empty = [](const std::byte* place) { return detail::cell_at<cell>(place).empty(); };
  made.write = [](const row_column&, byte_writer& out, const std::byte* place, const cell_extent&) {
    write_timers(out, detail::cell_at<cell>(place));
  };
  made.write_empty = [](byte_writer& out) { write_timers(out, {}); };
  made.read = [](const row_column&, byte_reader& in, std::byte* place, const migration*) {
    read_timers(in, detail::cell_at<cell>(place));
  };
  made.write_head = [](const row_column&, byte_writer& out, const std::byte* place) {
    write_timers(out, detail::cell_at<cell>(place));
  };
  made.read_head = [](const row_column&, byte_reader& in, std::byte* place) {
    read_timers(in, detail::cell_at<cell>(place));
  };
  made.expire = [](const row_column&, std::uint32_t, std::byte*, const change_time&, row_entries*) {
    return false;
  };
  return made;
}

bool timer_set::insert(const timer& what) {
  if (has_one_ && one_ == what)
    return false;
  const std::uint64_t hash = hash_of_timer(what);
  if (more_ && more_->find(hash, what) != more_->none)
    return false;
  if (!has_one_) {
    one_ = what;
    has_one_ = true;
    return true;
  }
  if (!more_)
    more_ = std::make_unique<dense_map<entry>>();
  more_->insert(hash, {what});
  return true;
}

bool timer_set::erase(const timer& what) {
  if (has_one_ && one_ == what) {
    has_one_ = false;
    return true;
  }
  const std::uint32_t found = more_ ? more_->find(hash_of_timer(what), what) : dense_map<entry>::none;
  if (found == dense_map<entry>::none)
    return false;
  more_->erase(found);
  if (more_->empty())
    more_.reset();
  return true;
}

void keyed_timers::push(const timer& what, std::uint64_t hash) {
  std::vector<due_timer>& all = heap(what.domain);
  all.push_back({what.time, hash});
  std::push_heap(all.begin(), all.end(), is_later{});
}

bool keyed_timers::set(const timer& what) {
  if (!place_.get<cell>().insert(what))
    return false;
  place_.note_change();
  push(what, hash_);
  ++size_;
  return true;
}

bool keyed_timers::erase(const timer& what) {
  if (!place_.get<cell>().erase(what))
    return false;
  place_.note_removal();
  --size_;
  return true;
}

const keyed_timers::due_timer* keyed_timers::next(time_domain domain) const {
  const std::vector<due_timer>& all = heaps_[static_cast<std::size_t>(domain)];
  return all.empty() ? nullptr : &all.front();
}

void keyed_timers::pop(time_domain domain) {
  std::vector<due_timer>& all = heap(domain);
  std::pop_heap(all.begin(), all.end(), is_later{});
  all.pop_back();
}

bool keyed_timers::is_stale(std::size_t rows) const noexcept {
  constexpr std::size_t few = 1024;
  return heaps_[0].size() + heaps_[1].size() > 2 * size_ + rows / 4 + few;
}

void keyed_timers::clear() {
  for (std::vector<due_timer>& all : heaps_)
    all.clear();
  size_ = 0;
}

void keyed_timers::add(std::uint64_t hash, const std::byte* row) {
  const std::size_t offset = place_.cursor().offsets[place_.column()];
  detail::cell_at<cell>(row + offset).for_each([&](const timer& one) {
    push(one, hash);
    ++size_;
  });
}

} // namespace weir
