#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <weir/base/clock.hpp>
#include <weir/base/error.hpp>

namespace weir {

/// A number that keeps growing with every change an arbiter makes, of whatever key.
using arbiter_revision = std::int64_t;

/// A promise of an arbiter to keep some keys until it has not been renewed for a while.
using arbiter_lease = std::int64_t;

/// What an arbiter knows of a key.
struct arbiter_value {
  std::string value;
  arbiter_revision created = 0; ///< 0: it is not there
  arbiter_revision changed = 0;
  arbiter_lease lease = 0; ///< with which it goes; 0: it stays

  bool exists() const noexcept { return created != 0; }
};

/// What is to happen at once, or not at all.
struct arbiter_transaction {
  struct condition {
    enum class of : std::uint8_t { created, changed };
    std::string key;
    of what = of::created;
    arbiter_revision expected = 0; ///< 0: the key is not there
  };
  struct write {
    std::string key;
    std::string value;
    arbiter_lease lease = 0;
    bool removes = false;
  };

  std::vector<condition> conditions;
  std::vector<write> writes;     ///< if all conditions hold
  std::vector<std::string> keys; ///< to read, after the writes if there are any
};

struct arbiter_answer {
  bool done = false; ///< all conditions held
  arbiter_revision revision = 0;
  std::map<std::string, arbiter_value> values; ///< of all keys that were to be read

  const arbiter_value& at(const std::string& key) const { return values.at(key); }
};

struct granted_lease {
  arbiter_lease id = 0;
  duration length{}; ///< for which it holds from the moment it was granted or renewed
};

/// A store of a few small values that several processes share and that survives each of them: whoever it says leads,
/// leads.
///
/// Thread safety: any thread.
/// Errors:        io when nobody has answered by the deadline, or what answered makes no sense. Then it is not known
///                whether what was asked for has happened, or still will.
/// Cost:          blocks until the answer or the deadline.
class arbiter {
 public:
  virtual ~arbiter() = default;

  virtual result<granted_lease> grant(duration length, time_point deadline) = 0;

  /// For how long it holds from now on; zero when it is not there any more.
  virtual result<duration> renew(arbiter_lease lease, time_point deadline) = 0;

  /// Ends it, and removes its keys. One that is not there is ended already.
  virtual status revoke(arbiter_lease lease, time_point deadline) = 0;

  /// A write under a lease that is not there any more is errc::in_use, and does nothing.
  virtual result<arbiter_answer> carry_out(const arbiter_transaction& what, time_point deadline) = 0;
};

} // namespace weir
