#include <weir/runtime/cluster/network.hpp>

#include <charconv>

#include <unistd.h>

#include <caf/scoped_actor.hpp>

#include <weir/base/units.hpp>

namespace weir {

result<std::uint16_t> publish(const caf::actor& actor, const std::string& host, std::uint16_t port) {
  auto& system = actor.home_system();
  const auto bound = system.middleman().publish(actor, port, host.empty() ? nullptr : host.c_str(), true);
  if (bound)
    return *bound;
#if CAF_VERSION < 10000
  const std::string why = system.render(bound.error());
#else
  const std::string why = caf::to_string(bound.error());
#endif
  return error{errc::io, "cannot listen on " + (host.empty() ? std::string("all addresses") : host) + ", port " +
                             std::to_string(port) + ": " + why +
                             ". Expected an address of this machine and a port that nobody else listens on"};
}

void unpublish(const caf::actor& actor, std::uint16_t port) {
  actor.home_system().middleman().unpublish(actor, port);
}

void await_network(caf::actor_system& system) {
  system.await_all_actors_done();
  // Its answer comes after everything that was sent before.
  const caf::scoped_actor self{system, true};
  system.middleman().unpublish(self, 1);
}

result<tcp_address> parse_tcp_address(std::string_view text) {
  const auto wrong = [&] {
    return error{errc::invalid_setting, "expected HOST:PORT, such as 192.168.0.5:7000, found " + in_quotes(text)};
  };
  tcp_address made;
  const std::size_t colon = text.rfind(':');
  std::string_view port = text;
  if (colon != std::string_view::npos) {
    std::string_view host = text.substr(0, colon);
    port = text.substr(colon + 1);
    if (host.starts_with('[') && host.ends_with(']'))
      host = host.substr(1, host.size() - 2);
    made.host = host;
  }
  const auto [end, failure] = std::from_chars(port.data(), port.data() + port.size(), made.port);
  if (failure != std::errc{} || end != port.data() + port.size() || port.empty())
    return wrong();
  return made;
}

std::string name_of_this_process() {
  char host[256] = "";
  ::gethostname(host, sizeof host - 1);
  return std::string(host) + ":" + std::to_string(::getpid());
}

bool is_loopback(std::string_view host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

} // namespace weir
