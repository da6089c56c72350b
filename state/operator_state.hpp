#pragma once

#include <concepts>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <weir/base/codec.hpp>
#include <weir/base/schema.hpp>
#include <weir/state/broadcast_state.hpp>
#include <weir/state/operator_snapshot.hpp>
#include <weir/state/restored_state.hpp>

namespace weir {

/// A list that belongs to one instance of an operator and not to a key.
///
///     void open(weir::operator_state_registry& states) { waiting_ = states.list<order>("waiting"); }
///     ...  waiting_->push_back(in);
///
/// A handle to a std::vector: copies show the same one.
///
/// Ownership:     the vector lives in the operator's state.
/// Thread safety: task thread only, inside the operator's functions.
/// Snapshots:     the whole list, at every barrier. With even_split each instance has its own items
///                again after a restart at the same parallelism, and at another one they are dealt out.
///                With full_union every instance gets the items of all, at every restart: keep those
///                that concern the instance, or they are written by all of them the next time.
template <class T>
class operator_list {
 public:
  operator_list() = default;
  explicit operator_list(std::shared_ptr<std::vector<T>> items) : items_(std::move(items)) {}

  std::vector<T>& operator*() const { return *items_; }
  std::vector<T>* operator->() const { return items_.get(); }
  auto begin() const { return items_->begin(); }
  auto end() const { return items_->end(); }

 private:
  std::shared_ptr<std::vector<T>> items_;
};

/// What an operator's `snapshot` writes its state into:
///
///     void snapshot(weir::state_writer& out) const { out.list("waiting", waiting_); }
///     void restore(const weir::state_reader& in) { waiting_ = in.list<order>("waiting"); }
class state_writer {
 public:
  explicit state_writer(std::vector<list_snapshot>& lists) : lists_(lists) {}

  template <storable T>
  void list(std::string name, const std::vector<T>& items,
            redistribution mode = redistribution::even_split) {
    list_snapshot made{std::move(name), mode, schema_of<T>(), {}};
    for (const T& item : items)
      made.items.push_back(encoded(item));
    add(std::move(made));
  }

  /// Bytes of which only the operator knows what they mean.
  void raw(std::string name, std::vector<bytes> items,
           redistribution mode = redistribution::even_split) {
    add({std::move(name), mode, "raw", std::move(items)});
  }

  void add(list_snapshot made);

 private:
  std::vector<list_snapshot>& lists_;
};

/// What an operator's `restore` reads from what `snapshot` wrote. What is not there is empty.
///
/// Errors: asking for another type than was written throws std::runtime_error.
class state_reader {
 public:
  explicit state_reader(const restored_state& restored) : restored_(restored) {}

  template <storable T>
  std::vector<T> list(const std::string& name) const {
    std::vector<T> items;
    for (const bytes& item : find(name, schema_of<T>()))
      items.push_back(decoded<T>(item));
    return items;
  }
  std::vector<bytes> raw(const std::string& name) const { return find(name, "raw"); }

  /// The encoded items of a list whose items are of `type`.
  const std::vector<bytes>& find(const std::string& name, const std::string& type) const;

  /// The names that have been asked for.
  const std::set<std::string>& claimed() const { return claimed_; }

 private:
  const restored_state& restored_;
  mutable std::set<std::string> claimed_;
};

/// All operator state of one instance: what its `open` has declared, and what its `snapshot` and
/// `restore` keep.
class operator_states {
 public:
  template <storable T>
  operator_list<T> add_list(std::string name, redistribution mode) {
    auto items = std::make_shared<std::vector<T>>();
    declared_.push_back({[name, mode, items](state_writer& out) { out.list(name, *items, mode); },
                         [name, items](const state_reader& in) { *items = in.list<T>(name); }});
    return operator_list<T>(std::move(items));
  }
  operator_list<bytes> add_raw(std::string name, redistribution mode);

  /// All instances hold the same; instance 0 writes it.
  template <storable Key, storable Value>
  broadcast_state<Key, Value> add_broadcast(std::string name, bool writes) {
    broadcast_state<Key, Value> state = broadcast_state<Key, Value>::make();
    const std::string type = "{" + schema_of<Key>() + ", " + schema_of<Value>() + "}";
    declared_.push_back({[name, type, state, writes](state_writer& out) {
                           list_snapshot made{name, redistribution::full_union, type, {}};
                           if (writes)
                             for (const auto& [key, value] : state) {
                               byte_writer item;
                               encode(item, key);
                               encode(item, value);
                               made.items.push_back(std::move(item).take());
                             }
                           out.add(std::move(made));
                         },
                         [name, type, state](const state_reader& in) {
                           for (const bytes& item : in.find(name, type)) {
                             byte_reader from(item);
                             Key key{};
                             Value value{};
                             decode(from, key);
                             decode(from, value);
                             state.restore(std::move(key), std::move(value));
                           }
                         }});
    return state;
  }

  /// Fills in what has been declared. `also`: reads from the same state what is not declared.
  ///
  /// Errors: throws std::runtime_error for another type than was stored, and for state that nobody
  ///         asked for, unless it may be dropped.
  void restore(const restored_state& restored, bool may_drop,
               const std::function<void(const state_reader&)>& also);
  void write(operator_snapshot& made) const;

  void note_name(std::string_view name);

 private:
  struct declared {
    std::function<void(state_writer&)> write;
    std::function<void(const state_reader&)> read;
  };

  std::vector<declared> declared_;
  std::set<std::string, std::less<>> names_;
};

/// What an operator declares the state of its instances with, once, before its first record.
class operator_state_registry {
 public:
  explicit operator_state_registry(operator_states& instance, bool is_first = true)
      : instance_(instance), is_first_(is_first) {}

  /// A list per instance. `mode`: who gets its items when the parallelism has changed.
  template <storable T>
  operator_list<T> operator_list_of(std::string name, redistribution mode = redistribution::even_split) {
    note_name(name);
    return instance_.add_list<T>(std::move(name), mode);
  }

  /// The same for bytes of which only the operator knows what they mean.
  operator_list<bytes> raw(std::string name, redistribution mode = redistribution::even_split) {
    note_name(name);
    return instance_.add_raw(std::move(name), mode);
  }

  /// A map that is the same in all instances: written by the broadcast side of a connected stream,
  /// read by both.
  template <storable Key, storable Value>
  broadcast_state<Key, Value> broadcast(std::string name) {
    note_name(name);
    return instance_.add_broadcast<Key, Value>(std::move(name), is_first_);
  }

 protected:
  /// Throws std::invalid_argument when a state of this name has been declared.
  void note_name(std::string_view name) { instance_.note_name(name); }

 private:
  operator_states& instance_;
  bool is_first_;
};

/// A class that keeps its state itself: `void snapshot(state_writer&)` and `void restore(const
/// state_reader&)`.
template <class P>
concept has_snapshot_functions = requires(P p, state_writer& out, const state_reader& in) {
  p.snapshot(out);
  p.restore(in);
};

/// A class whose state is one list: `std::vector<T> snapshot() const` and `void restore(std::vector<T>)`.
/// Items are handed out one by one when the parallelism changes.
template <class P>
concept has_list_snapshot = requires(P p) {
  p.restore(std::as_const(p).snapshot());
  requires storable<typename std::remove_cvref_t<decltype(std::as_const(p).snapshot())>::value_type>;
};

/// The name under which a class's only list is kept in checkpoints.
inline constexpr const char* only_list = "list";

/// Restores an operator's class after its `open`.
template <class P>
void restore_operator_state(P& how, operator_states& states, const restored_state& restored,
                            bool may_drop) {
  static_assert(has_snapshot_functions<P> || has_list_snapshot<P> ||
                    !(requires { &P::snapshot; } || requires { &P::restore; }),
                "an operator with a `snapshot` or a `restore`: expected both, `void snapshot("
                "weir::state_writer&) const` and `void restore(const weir::state_reader&)`, or "
                "`std::vector<T> snapshot() const` and `void restore(std::vector<T>)`");
  states.restore(restored, may_drop, [&how](const state_reader& in) {
    if constexpr (has_snapshot_functions<P>) {
      how.restore(in);
    } else if constexpr (has_list_snapshot<P>) {
      using item = typename std::remove_cvref_t<decltype(std::as_const(how).snapshot())>::value_type;
      how.restore(in.list<item>(only_list));
    }
  });
}

/// Writes what an operator's class keeps.
template <class P>
void write_operator_state(P& how, const operator_states& states, operator_snapshot& made) {
  states.write(made);
  if constexpr (has_snapshot_functions<P>) {
    state_writer out(made.lists);
    how.snapshot(out);
  } else if constexpr (has_list_snapshot<P>) {
    state_writer(made.lists).list(only_list, std::as_const(how).snapshot());
  }
}

} // namespace weir
