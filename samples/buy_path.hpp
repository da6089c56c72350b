#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <weir/actors/operators/broadcast.hpp>

#include "fields.hpp"

struct action {
  std::string user, channel;
  bool is_purchase = false;
};

/// Purchases by a channel are told from this many steps on; none where there is no number.
struct rule {
  std::string channel;
  std::optional<std::uint32_t> least_steps;
};

inline void parse_action(const std::string& line, weir::emitter<action>& out) {
  const auto fields = fields_of(line);
  if (fields.size() == 3 && (fields[2] == "visit" || fields[2] == "buy"))
    out({fields[0], fields[1], fields[2] == "buy"});
}

inline void parse_rule(const std::string& line, weir::emitter<rule>& out) {
  const auto fields = fields_of(line);
  if (fields.size() != 2)
    return;
  const auto least = number_in<std::uint32_t>(fields[1]);
  if (least || fields[1] == "off")
    out({fields[0], least});
}

inline void apply(const rule& in, const weir::broadcast_access& access,
                  weir::broadcast_state<std::string, std::uint32_t>& rules) {
  if (in.least_steps)
    rules.put(access, in.channel, *in.least_steps);
  else
    rules.erase(access, in.channel);
}

inline std::string told(const rule& in) {
  return "rule " + in.channel + ' ' + (in.least_steps ? std::to_string(*in.least_steps) : "off");
}
