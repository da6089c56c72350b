#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <weir/actors/operators/process.hpp>

/// \file
/// For each kind of keyed state a process function that carries out operations and says what it sees,
/// and a model with std:: containers that says what must be seen.

namespace weir::testing {

/// What is to be done with the state of a key; what `what` means depends on the kind of state.
struct state_operation {
  std::uint64_t key = 0;
  std::uint32_t what = 0;
  std::int32_t argument = 0;
};

inline constexpr std::int64_t life_ms = 100;

inline time_to_live life_if(bool set) {
  time_to_live life;
  if (set)
    life.after = std::chrono::milliseconds{life_ms};
  return life;
}

/// A process function for one kind of state: `declare` and `apply` come from Kind.
template <class Kind>
struct state_function {
  using output = std::string;
  bool has_life = false;
  typename Kind::state state{};

  void open(state_registry& states) { state = Kind::declare(states, life_if(has_life)); }
  void process(const state_operation& in, keyed_context<std::uint64_t>&, emitter<output>& out) {
    out(Kind::apply(state, in.what % Kind::operations, in.argument));
  }
};

/// A value of a model that may be missing or expired.
template <class T>
struct mortal {
  std::optional<T> value;
  std::int64_t stamp = 0;

  void expire(bool has_life, std::int64_t now) {
    if (has_life && value && now - stamp >= life_ms)
      value.reset();
  }
  void set(T next, std::int64_t now) {
    value = std::move(next);
    stamp = now;
  }
};

template <class T>
std::string shown(const std::optional<T>& value) {
  if (!value)
    return "nothing";
  if constexpr (std::is_same_v<T, std::string>)
    return *value;
  else
    return std::to_string(*value);
}

struct value_kind {
  using state = value_state<std::int64_t>;
  static constexpr const char* name = "value";
  static constexpr std::uint32_t operations = 4;

  static state declare(state_registry& states, time_to_live life) {
    return states.value<std::int64_t>("state", life);
  }
  static std::string apply(state& own, std::uint32_t what, std::int32_t argument) {
    switch (what) {
    case 0: own.update(argument); break;
    case 1: own.clear(); break;
    case 2: own.mutable_value() += argument; break;
    default: break;
    }
    return shown(own ? std::optional(*own) : std::nullopt);
  }

  struct model {
    mortal<std::int64_t> held;
    std::string apply(std::uint32_t what, std::int32_t argument, bool has_life, std::int64_t now) {
      held.expire(has_life, now);
      switch (what) {
      case 0: held.set(argument, now); break;
      case 1: held.value.reset(); break;
      case 2: held.set(held.value.value_or(0) + argument, now); break;
      default: break;
      }
      return shown(held.value);
    }
  };
};

struct reducing_kind {
  using state = reducing_state<std::int64_t>;
  static constexpr const char* name = "reducing";
  static constexpr std::uint32_t operations = 4;

  static state declare(state_registry& states, time_to_live life) {
    return states.reducing<std::int64_t>(
        "state", [](std::int64_t a, std::int64_t b) { return std::max(a, b); }, life);
  }
  static std::string apply(state& own, std::uint32_t what, std::int32_t argument) {
    if (what == 0)
      own.clear();
    else if (what != 3)
      own.add(argument);
    return shown(own.result());
  }

  struct model {
    mortal<std::int64_t> held;
    std::string apply(std::uint32_t what, std::int32_t argument, bool has_life, std::int64_t now) {
      held.expire(has_life, now);
      if (what == 0)
        held.value.reset();
      else if (what != 3)
        held.set(std::max<std::int64_t>(held.value.value_or(argument), argument), now);
      return shown(held.value);
    }
  };
};

struct sum_and_count {
  struct accumulator {
    std::int64_t sum = 0;
    std::int64_t count = 0;
  };
  void add(accumulator& acc, std::int32_t in) const {
    acc.sum += in;
    ++acc.count;
  }
  std::string result(const accumulator& acc) const {
    return std::to_string(acc.sum) + '/' + std::to_string(acc.count);
  }
};

struct aggregating_kind {
  using state = aggregating_of<std::int32_t, sum_and_count>::state;
  static constexpr const char* name = "aggregating";
  static constexpr std::uint32_t operations = 4;

  static state declare(state_registry& states, time_to_live life) {
    return states.aggregating<std::int32_t>("state", sum_and_count{}, life);
  }
  static std::string apply(state& own, std::uint32_t what, std::int32_t argument) {
    if (what == 0)
      own.clear();
    else if (what != 3)
      own.add(argument);
    return shown(own.result());
  }

  struct model {
    mortal<sum_and_count::accumulator> held;
    std::string apply(std::uint32_t what, std::int32_t argument, bool has_life, std::int64_t now) {
      held.expire(has_life, now);
      if (what == 0) {
        held.value.reset();
      } else if (what != 3) {
        sum_and_count::accumulator next = held.value.value_or(sum_and_count::accumulator{});
        next.sum += argument;
        ++next.count;
        held.set(next, now);
      }
      return held.value ? sum_and_count{}.result(*held.value) : "nothing";
    }
  };
};

struct folding_kind {
  using state = folding_state<std::int32_t, std::string>;
  static constexpr const char* name = "folding";
  static constexpr std::uint32_t operations = 4;

  static std::string fold(std::string so_far, std::int32_t next) {
    return (so_far + ',' + std::to_string(next)).substr(0, 200);
  }
  static state declare(state_registry& states, time_to_live life) {
    return states.folding<std::int32_t>("state", std::string("from"), fold, life);
  }
  static std::string apply(state& own, std::uint32_t what, std::int32_t argument) {
    if (what == 0)
      own.clear();
    else if (what != 3)
      own.add(argument);
    return shown(own.result());
  }

  struct model {
    mortal<std::string> held;
    std::string apply(std::uint32_t what, std::int32_t argument, bool has_life, std::int64_t now) {
      held.expire(has_life, now);
      if (what == 0)
        held.value.reset();
      else if (what != 3)
        held.set(fold(held.value.value_or("from"), argument), now);
      return shown(held.value);
    }
  };
};

struct list_kind {
  using state = list_state<std::string>;
  static constexpr const char* name = "list";
  static constexpr std::uint32_t operations = 8;

  static state declare(state_registry& states, time_to_live life) {
    return states.list<std::string>("state", life);
  }
  static std::string text(std::int32_t argument) {
    return std::string(static_cast<std::size_t>(argument & 31), 'x') + std::to_string(argument);
  }
  static std::string apply(state& own, std::uint32_t what, std::int32_t argument) {
    switch (what) {
    case 0: own.clear(); break;
    case 1: own.update({text(argument), text(argument + 1)}); break;
    case 2: own.add_all(std::vector<std::string>(3, text(argument))); break;
    case 3:
    case 4: {
      std::string seen = std::to_string(own.size()) + ':';
      for (const std::string& one : own)
        seen += one + ' ';
      return seen;
    }
    default: own.add(text(argument)); break; // does not look at what is there
    }
    return "done";
  }

  struct model {
    std::vector<std::pair<std::string, std::int64_t>> held;
    std::string apply(std::uint32_t what, std::int32_t argument, bool has_life, std::int64_t now) {
      if (has_life)
        std::erase_if(held, [&](const auto& one) { return now - one.second >= life_ms; });
      switch (what) {
      case 0: held.clear(); break;
      case 1: held = {{text(argument), now}, {text(argument + 1), now}}; break;
      case 2: held.insert(held.end(), 3, {text(argument), now}); break;
      case 3:
      case 4: {
        std::string seen = std::to_string(held.size()) + ':';
        for (const auto& one : held)
          seen += one.first + ' ';
        return seen;
      }
      default: held.emplace_back(text(argument), now); break;
      }
      return "done";
    }
  };
};

struct map_kind {
  using state = map_state<std::string, std::int64_t>;
  static constexpr const char* name = "map";
  static constexpr std::uint32_t operations = 10;

  static state declare(state_registry& states, time_to_live life) {
    return states.map<std::string, std::int64_t>("state", life);
  }
  static std::string key(std::int32_t argument) { return "key " + std::to_string((argument & 15) % 12); }
  template <class Entries>
  static std::string joined(const Entries& entries) {
    std::map<std::string, std::int64_t> sorted;
    for (const auto& [name_of_it, value] : entries)
      sorted[name_of_it] = value;
    std::string seen;
    for (const auto& [name_of_it, value] : sorted)
      seen += name_of_it + '=' + std::to_string(value) + ' ';
    return seen;
  }
  static std::string apply(state& own, std::uint32_t what, std::int32_t argument) {
    switch (what) {
    case 0: own.clear(); break;
    case 1: return own.erase(key(argument)) ? "erased" : "not there";
    case 2: return std::to_string(own.size()) + ':' + joined(own);
    case 3: own[key(argument)] += argument; break;
    case 4:
    case 5: return std::to_string(own.value_or(key(argument), -1));
    default: own.put(key(argument), argument); break;
    }
    return "done";
  }

  struct model {
    std::map<std::string, mortal<std::int64_t>> held;
    std::string apply(std::uint32_t what, std::int32_t argument, bool has_life, std::int64_t now) {
      for (auto& [name_of_it, one] : held)
        one.expire(has_life, now);
      std::erase_if(held, [](const auto& one) { return !one.second.value; });
      switch (what) {
      case 0: held.clear(); break;
      case 1: return held.erase(key(argument)) == 1 ? "erased" : "not there";
      case 2: {
        std::map<std::string, std::int64_t> values;
        for (const auto& [name_of_it, one] : held)
          values[name_of_it] = *one.value;
        return std::to_string(held.size()) + ':' + joined(values);
      }
      case 3: {
        mortal<std::int64_t>& one = held[key(argument)];
        one.set(one.value.value_or(0) + argument, now);
        break;
      }
      case 4:
      case 5: {
        const auto found = held.find(key(argument));
        return std::to_string(found == held.end() ? -1 : *found->second.value);
      }
      default: held[key(argument)].set(argument, now); break;
      }
      return "done";
    }
  };
};

} // namespace weir::testing
