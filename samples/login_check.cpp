// Tells when somebody logs in from another city than the last time. A line is a login:
// `ID NAME IP CITY TIME`. Logins of one person are compared with what is kept of the last one.

#include <string>

#include <weir/actors/sinks/print.hpp>
#include <weir/connectors/read_lines.hpp>
#include <weir/runtime/main.hpp>
#include <weir/runtime/topology.hpp>

#include "fields.hpp"

struct login {
  std::string id, name, ip, city, time;
};

/// Keeps the fields of each person's last login by their names.
struct check_city {
  using output = std::string;

  void open(weir::state_registry& states) {
    using namespace std::chrono_literals;
    last_ = states.map<std::string, std::string>("last login", weir::time_to_live{.after = 24h * 365});
  }

  void process(const login& in, weir::keyed_context<std::string>&, weir::emitter<output>& out) {
    const std::string* city = last_.find("city");
    if (city && *city != in.city)
      out("ALERT " + in.name + " (" + in.id + ") logged in from " + in.city + ", " + in.ip + ", at " +
          in.time + "; the last login was from " + *city + ", " + *last_.find("ip") + ", at " +
          *last_.find("time"));
    last_.put("ip", in.ip);
    last_.put("city", in.city);
    last_.put("time", in.time);
  }

  weir::map_state<std::string, std::string> last_;
};

int main(int argc, char** argv) {
  weir::topology job{"login-check", "Tells when somebody logs in from another city than the last time."};
  const auto input = job.required_option("input", "file or directory of lines `ID NAME IP CITY TIME`");

  job.source("lines", weir::read_lines{input})
      .flat_map("parse",
                [](const std::string& line, weir::emitter<login>& out) {
                  const auto fields = fields_of(line);
                  if (fields.size() == 5)
                    out({fields[0], fields[1], fields[2], fields[3], fields[4]});
                })
      .key_by([](const login& in) { return in.id; })
      .process("check", check_city{})
      .sink("print", weir::print{});
  return weir::main(job, argc, argv);
}
