#pragma once

#include <concepts>
#include <cstddef>
#include <memory>
#include <stdexcept>
#include <utility>

#include <weir/base/hash.hpp>
#include <weir/state/dense_map.hpp>
#include <weir/state/map_contents.hpp>

namespace weir {

class operator_states;

/// The right to change broadcast state. Only the broadcast side of a connected stream is given one.
class broadcast_access {
 protected:
  broadcast_access() = default;
  ~broadcast_access() = default;
};

/// A map that every instance of an operator holds, and that is the same in all of them because every
/// record of the broadcast stream reaches all instances.
///
///     void process_broadcast(const rule& in, weir::broadcast_context& context, ...) {
///       rules_.put(context, in.channel, in.threshold);
///     }
///     void process(const action& in, weir::keyed_context<std::string>& context, ...) {
///       if (const int* threshold = rules_.find(in.channel)) ...
///     }
///
/// Declared with `operator_state_registry::broadcast`. Anyone may read; changing it needs the context
/// of the broadcast side, so that an attempt on the other side does not compile.
///
/// Ownership:     a handle; copies show the same map. References to entries are valid until it changes.
/// Thread safety: task thread only, inside the operator's functions.
/// Snapshots:     stored once, by instance 0; after a restore all instances hold it, at any parallelism.
///                They are the same as long as what is written depends on the broadcast records and
///                this state alone, and not on their order between several senders.
template <class Key, class Value>
class broadcast_state {
 public:
  using entry = map_entry<Key, Value>;

  broadcast_state() = default;

  /// The value of `key`, or nullptr.
  const Value* find(const Key& key) const {
    if (!map_) [[unlikely]]
      throw std::logic_error("a broadcast state was used that was not declared in open()");
    const std::uint32_t i = map_->find(hash_of(key), key);
    return i == map_->none ? nullptr : &(*map_)[i].value;
  }
  bool contains(const Key& key) const { return find(key) != nullptr; }
  std::size_t size() const { return map_->size(); }
  bool empty() const { return map_->empty(); }
  auto begin() const { return std::as_const(*map_).begin(); }
  auto end() const { return std::as_const(*map_).end(); }

  template <class Access>
  void put(const Access&, const Key& key, Value value) {
    check_access<Access>();
    restore(key, std::move(value));
  }

  /// Removes an entry. Returns whether it was there.
  template <class Access>
  bool erase(const Access&, const Key& key) {
    check_access<Access>();
    const std::uint32_t i = map_->find(hash_of(key), key);
    if (i == map_->none)
      return false;
    map_->erase(i);
    return true;
  }
  template <class Access>
  void clear(const Access&) {
    check_access<Access>();
    map_->clear();
  }

 private:
  friend class operator_states;
  using map = dense_map<entry>;

  template <class Access>
  static void check_access() {
    static_assert(std::derived_from<Access, broadcast_access>,
                  "broadcast state: only the broadcast side may change it: do so in process_broadcast, "
                  "and pass its broadcast_context");
  }

  static broadcast_state make() {
    broadcast_state made;
    made.map_ = std::make_shared<map>();
    return made;
  }

  void restore(Key key, Value value) const {
    if (!map_) [[unlikely]]
      throw std::logic_error("a broadcast state was used that was not declared in open()");
    const std::uint64_t hash = hash_of(key);
    const std::uint32_t i = map_->find(hash, key);
    if (i == map_->none)
      map_->insert(hash, {std::move(key), std::move(value)});
    else
      (*map_)[i].value = std::move(value);
  }

  std::shared_ptr<map> map_;
};

} // namespace weir
