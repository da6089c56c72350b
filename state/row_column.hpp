#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <typeinfo>
#include <utility>
#include <vector>

#include <weir/base/bytes.hpp>
#include <weir/base/schema.hpp>
#include <weir/state/operator_snapshot.hpp>
#include <weir/state/row_cursor.hpp>
#include <weir/state/row_entries.hpp>
#include <weir/state/time_to_live.hpp>

namespace weir {

/// The rule of a time to live, in milliseconds. Plain data: time is passed in.
class expiry {
 public:
  expiry() = default;
  explicit expiry(const time_to_live& how);

  /// Whether entries expire at all.
  bool is_set() const noexcept { return after_ != 0; }
  bool is_expired(std::int64_t stamp, std::int64_t now) const noexcept {
    return is_set() && now - stamp >= after_;
  }
  bool hides_expired() const noexcept { return how_.visible == time_to_live::visibility::never_expired; }
  bool reading_refreshes() const noexcept {
    return how_.refreshed == time_to_live::refresh::on_read_and_write;
  }
  const time_to_live& how() const noexcept { return how_; }

 private:
  time_to_live how_;
  std::int64_t after_ = 0;
};

/// How values of a type that a state had in the past become values of the type that it has now.
struct migration {
  std::string old_schema;
  const std::type_info* makes; ///< the type of the new value
  std::function<void(byte_reader& in, void* value)> read; ///< decodes an old value, assigns a new one
};

/// A migration from what `f` takes to what it returns.
template <class Old, class F>
migration make_migration(F f) {
  using type = std::invoke_result_t<F&, Old>;
  return {schema_of<Old>(), &typeid(type), [f = std::move(f)](byte_reader& in, void* value) {
            Old old{};
            decode(in, old);
            *static_cast<type*>(value) = f(std::move(old));
          }};
}

namespace detail {

template <class F>
struct argument_of;
template <class R, class A>
struct argument_of<R (*)(A)> : std::type_identity<std::remove_cvref_t<A>> {};
template <class C, class R, class A>
struct argument_of<R (C::*)(A) const> : std::type_identity<std::remove_cvref_t<A>> {};
template <class C, class R, class A>
struct argument_of<R (C::*)(A)> : std::type_identity<std::remove_cvref_t<A>> {};
template <class F>
  requires requires { &F::operator(); }
struct argument_of<F> : argument_of<decltype(&F::operator())> {};

} // namespace detail

/// What is said of a state besides its name and type: any of a time to live, and functions
/// `new_type migrate(old_type)`, one for each type that it had before. They run on restore.
struct state_options {
  time_to_live life;
  std::vector<migration> migrations;

  state_options() = default;
  template <class... Options>
    requires(sizeof...(Options) > 0 && !(std::is_same_v<std::remove_cvref_t<Options>, state_options> || ...))
  explicit state_options(Options&&... options) {
    (add(std::forward<Options>(options)), ...);
  }

 private:
  void add(const time_to_live& how) { life = how; }
  template <class F>
  void add(F migrate) {
    migrations.push_back(make_migration<typename detail::argument_of<F>::type>(std::move(migrate)));
  }
};

/// How much of a cell is written into a snapshot: at least what its reader lacks.
struct cell_extent {
  bool is_delta = false;   ///< the reader has what was there at version `since`
  std::uint32_t since = 0; ///< 0 where it is no delta
  std::int64_t now = 0;    ///< what has expired then is left out, if the state is to be cleaned so
  bool on_disk = false;    ///< the reader has what is on disk
};

/// One state of an operator's rows: where its cell lies in a row, and what can be done with it.
///
/// A cell is a value that may be missing, or a list or map whose entries lie elsewhere in memory and,
/// with state on disk, in row_entries.
struct row_column {
  state_schema schema;
  std::size_t offset = 0;
  std::size_t size = 0;
  std::size_t alignment = 1;
  bool is_flat = false; ///< nothing to destroy, can be copied with memcpy
  bool has_entries = false; ///< a list or a map
  expiry life;
  std::vector<migration> migrations; ///< from types as they are stored: "list<i32>"

  void (*construct)(std::byte*) = nullptr;
  void (*destroy)(std::byte*) noexcept = nullptr;
  void (*relocate)(std::byte* to, std::byte* from) noexcept = nullptr;
  bool (*is_empty)(const std::byte*) = nullptr;

  /// The cell for a snapshot, as docs/format/checkpoint.md says.
  void (*write)(const row_column&, byte_writer&, const std::byte*, const cell_extent&) = nullptr;
  /// What write() writes of a cell with nothing in it. Null where rows are not removed one by one.
  void (*write_empty)(byte_writer&) = nullptr;
  /// Applies what write() wrote to what is there; values of an older type go through `from`.
  void (*read)(const row_column&, byte_reader&, std::byte*, const migration* from) = nullptr;

  // State on disk. Of a value, the head is all there is.
  void (*write_head)(const row_column&, byte_writer&, const std::byte*) = nullptr;
  void (*read_head)(const row_column&, byte_reader&, std::byte*) = nullptr;
  /// Brings the entries on disk up to date, before the head is written; then the cell has served.
  void (*store_entries)(const row_column&, std::uint32_t index, std::byte*, row_entries&) = nullptr;

  /// Removes what has expired, also of what is on disk if that is given. Returns whether there was
  /// anything.
  bool (*expire)(const row_column&, std::uint32_t index, std::byte*, const change_time&,
                 row_entries* on_disk) = nullptr;
};

/// The value that a cell holds, if any, and when it was last refreshed.
template <class T>
struct value_cell {
  std::optional<T> value;
};
template <class T>
struct timed_value_cell {
  std::optional<T> value; // first, so that a timed cell can be read as a value_cell
  std::int64_t stamp = 0;
};

namespace detail {

template <class Cell>
Cell& cell_at(std::byte* place) {
  return *std::launder(reinterpret_cast<Cell*>(place));
}
template <class Cell>
const Cell& cell_at(const std::byte* place) {
  return *std::launder(reinterpret_cast<const Cell*>(place));
}

/// About how much memory a value takes that lies in a list or map.
template <class T>
std::size_t memory_of(const T& value) {
  if constexpr (std::is_same_v<T, std::string>)
    return sizeof(T) + value.capacity();
  else
    return sizeof(T) + (flat<T> ? 0 : 64);
}

/// The part of a column that follows from the type of its cell.
template <class Cell>
row_column column_of_cells(std::string name, std::string kind, std::string type,
                           const state_options& options) {
  row_column column;
  column.life = expiry(options.life);
  column.schema = {std::move(name), std::move(kind), std::move(type), column.life.is_set()};
  column.size = sizeof(Cell);
  column.alignment = alignof(Cell);
  column.is_flat = std::is_trivially_copyable_v<Cell>;
  column.construct = [](std::byte* place) { ::new (static_cast<void*>(place)) Cell{}; };
  column.destroy = [](std::byte* place) noexcept { std::destroy_at(&cell_at<Cell>(place)); };
  column.relocate = [](std::byte* to, std::byte* from) noexcept {
    ::new (static_cast<void*>(to)) Cell(std::move(cell_at<Cell>(from)));
    std::destroy_at(&cell_at<Cell>(from));
  };
  return column;
}

/// Adds the migrations of a state whose values are T, and whose stored type is theirs between `before`
/// and `after`. Throws std::invalid_argument for one that makes another type than T.
template <class T>
void add_migrations(row_column& column, const state_options& options, const std::string& before = {},
                    const std::string& after = {}) {
  for (migration one : options.migrations) {
    if (*one.makes != typeid(T))
      throw std::invalid_argument("the migration of the state '" + column.schema.name + "' from " +
                                  one.old_schema + " makes another type than the state has, " +
                                  type_name<T>() + ": return exactly that type");
    one.old_schema = before + one.old_schema + after;
    column.migrations.push_back(std::move(one));
  }
}

template <class T, class Cell>
row_column make_value_column(std::string name, std::string kind, const state_options& options) {
  constexpr bool timed = requires(Cell cell) { cell.stamp; };
  row_column column =
      column_of_cells<Cell>(std::move(name), std::move(kind), schema_of<T>(), options);
  add_migrations<T>(column, options);
  column.is_empty = [](const std::byte* place) { return !cell_at<Cell>(place).value.has_value(); };
  column.write = [](const row_column& how, byte_writer& out, const std::byte* place,
                    [[maybe_unused]] const cell_extent& extent) {
    if constexpr (timed)
      if (how.life.how().clean_in_snapshots &&
          how.life.is_expired(cell_at<Cell>(place).stamp, extent.now)) {
        how.write_empty(out);
        return;
      }
    how.write_head(how, out, place);
  };
  column.write_empty = [](byte_writer& out) { out.write_raw(std::uint8_t{0}); };
  column.read = [](const row_column&, byte_reader& in, std::byte* place, const migration* from) {
    Cell& cell = cell_at<Cell>(place);
    cell.value.reset();
    if (!in.read_truth())
      return;
    if constexpr (timed)
      cell.stamp = in.read_raw<std::int64_t>();
    T& value = cell.value.emplace();
    if (from)
      from->read(in, &value);
    else
      decode(in, value);
  };
  column.write_head = [](const row_column&, byte_writer& out, const std::byte* place) {
    const Cell& cell = cell_at<Cell>(place);
    out.write_raw(static_cast<std::uint8_t>(cell.value.has_value()));
    if (!cell.value)
      return;
    if constexpr (timed)
      out.write_raw(cell.stamp);
    encode(out, *cell.value);
  };
  column.read_head = [](const row_column& how, byte_reader& in, std::byte* place) {
    how.read(how, in, place, nullptr);
  };
  column.expire = [](const row_column& how, std::uint32_t, std::byte* place, const change_time& at,
                     row_entries*) {
    if constexpr (timed) {
      Cell& cell = cell_at<Cell>(place);
      if (cell.value && how.life.is_expired(cell.stamp, at.now)) {
        cell.value.reset();
        return true;
      }
    }
    return false;
  };
  return column;
}

} // namespace detail

/// The column of a state that keeps one T per key.
template <storable T>
row_column make_value_column(std::string name, std::string kind, const state_options& options = {}) {
  if (options.life.is_set())
    return detail::make_value_column<T, timed_value_cell<T>>(std::move(name), std::move(kind), options);
  return detail::make_value_column<T, value_cell<T>>(std::move(name), std::move(kind), options);
}

/// Rows of one type that can be removed one by one: those that are empty are.
template <class Row>
concept removable_row = requires(const Row& row) {
  { row.is_empty() } -> std::same_as<bool>;
};

namespace detail {

/// A removable row is a flag, and then the row if it is there; another is the row alone.
template <class Row>
void write_row(byte_writer& out, const Row& row) {
  if constexpr (removable_row<Row>) {
    out.write_raw(static_cast<std::uint8_t>(!row.is_empty()));
    if (row.is_empty())
      return;
  }
  encode(out, row);
}

} // namespace detail

/// The column of rows that are one Row: what reduce, aggregate and count keep per key, and windows.
template <storable Row>
row_column make_row_column(std::string name, std::string kind) {
  row_column column =
      detail::column_of_cells<Row>(std::move(name), std::move(kind), schema_of<Row>(), {});
  column.is_empty = [](const std::byte* place) {
    if constexpr (removable_row<Row>)
      return detail::cell_at<Row>(place).is_empty();
    else
      return false;
  };
  column.write = [](const row_column&, byte_writer& out, const std::byte* place, const cell_extent&) {
    detail::write_row(out, detail::cell_at<Row>(place));
  };
  if constexpr (removable_row<Row>)
    column.write_empty = [](byte_writer& out) { out.write_raw(std::uint8_t{0}); };
  column.read = [](const row_column&, byte_reader& in, std::byte* place, const migration*) {
    if constexpr (removable_row<Row>)
      if (!in.read_truth()) {
        detail::cell_at<Row>(place) = Row{};
        return;
      }
    decode(in, detail::cell_at<Row>(place));
  };
  column.write_head = [](const row_column& how, byte_writer& out, const std::byte* place) {
    how.write(how, out, place, {});
  };
  column.read_head = [](const row_column& how, byte_reader& in, std::byte* place) {
    how.read(how, in, place, nullptr);
  };
  column.expire = [](const row_column&, std::uint32_t, std::byte*, const change_time&, row_entries*) {
    return false;
  };
  return column;
}

/// One value of a row, and the rules that reading and writing it follow. What value, reducing,
/// aggregating and folding states are made of.
template <class T>
class value_place {
 public:
  value_place() = default;
  value_place(row_cursor& cursor, std::size_t column, expiry life)
      : cell_(cursor, column), life_(life) {}

  /// The value as a reader sees it.
  const std::optional<T>& read() const {
    std::optional<T>& value = cell_.template get<value_cell<T>>().value;
    if (life_.is_set()) [[unlikely]]
      touch(value, life_.reading_refreshes());
    return value;
  }

  /// The value for a writer, who leaves one there.
  std::optional<T>& write() const {
    std::optional<T>& value = cell_.template get<value_cell<T>>().value;
    if (life_.is_set()) [[unlikely]] {
      touch(value, false);
      cell_.template get<timed_value_cell<T>>().stamp = cell_.cursor().at.now;
    }
    cell_.note_change();
    return value;
  }

  void clear() const {
    cell_.template get<value_cell<T>>().value.reset();
    cell_.note_removal();
  }

 private:
  void touch(std::optional<T>& value, bool refresh) const {
    auto& cell = cell_.template get<timed_value_cell<T>>();
    row_cursor& cursor = cell_.cursor();
    cursor.to_clean = std::max(cursor.to_clean, life_.how().clean_per_access);
    if (!value)
      return;
    if (life_.is_expired(cell.stamp, cursor.at.now)) {
      if (life_.hides_expired()) {
        value.reset();
        cell_.note_removal();
      }
    } else if (refresh && cell.stamp != cursor.at.now) {
      cell.stamp = cursor.at.now;
      cell_.note_change();
    }
  }

  row_cell cell_;
  expiry life_;
};

} // namespace weir
