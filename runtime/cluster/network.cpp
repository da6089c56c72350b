#include <weir/runtime/cluster/network.hpp>

#include <charconv>

#include <sys/resource.h>
#include <unistd.h>

#include <caf/openssl/manager.hpp>
#include <caf/scoped_actor.hpp>

#if CAF_VERSION < 10000
#  include <caf/io/basp_broker.hpp>
#else
#  include <caf/openssl/publish.hpp>
#endif

#include <weir/base/units.hpp>

namespace weir {

namespace {

/// Programs start with fewer open files than they may have, for the sake of those that use select().
void raise_file_limit() {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == files.rlim_max)
    return;
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
}

} // namespace

network_configuration::network_configuration(std::size_t threads, const cluster_config& cluster)
    : actor_configuration(threads) {
  raise_file_limit();
  load<caf::io::middleman>();
  // CAF's actors that deserialize have nothing to do here, and do harm: behind a closed connection it cleans up when they
  // have done what came before. It knows connections by their descriptors, and this one may be another's by then.
#if CAF_VERSION < 10000
  set("middleman.workers", std::size_t{0});
#else
  set("caf.middleman.workers", std::size_t{0});
#endif
  if (!cluster.is_encrypted())
    return;
  load<caf::openssl::manager>();
  openssl_cafile = cluster.tls_ca.string();
  openssl_certificate = cluster.tls_cert.string();
  openssl_key = cluster.tls_key.string();
}

#if CAF_VERSION < 10000

caf::actor connection_broker(caf::actor_system& system) {
  return system.middleman().named_broker<caf::io::basp_broker>(caf::atom("BASP"));
}

result<std::unique_ptr<published_actor>> publish(const caf::actor& actor, const tcp_address& at) {
  auto& system = actor.home_system();
  // With each connection the broker is told whom its other end is looking for.
  auto let_in = [actor, broker = connection_broker(system)](const caf::io::scribe_ptr& connection, std::uint16_t port) {
    caf::anon_send(broker, caf::publish_atom::value, connection, port, caf::actor_cast<caf::strong_actor_ptr>(actor),
                   std::set<std::string>());
  };
  auto guard = guarded_port::open(at, admissions(system, std::move(let_in)));
  if (!guard)
    return std::move(guard.failure());
  std::unique_ptr<published_actor> made(new published_actor(actor));
  made->guard_ = std::move(*guard);
  made->port_ = made->guard_->number();
  return made;
}

published_actor::~published_actor() {
  guard_.reset();
  actor_.home_system().middleman().unpublish(actor_, port_);
}

#else

result<std::unique_ptr<published_actor>> publish(const caf::actor& actor, const tcp_address& at) {
  auto& system = actor.home_system();
  const char* const host = at.host.empty() ? nullptr : at.host.c_str();
  const auto bound = system.has_openssl_manager() ? caf::openssl::publish(actor, at.port, host, true)
                                                  : system.middleman().publish(actor, at.port, host, true);
  if (!bound)
    return error{errc::io, "cannot listen on " + to_string(at) + ": " + caf::to_string(bound.error()) +
                               ". Expected an address of this machine and a port that nobody else listens on"};
  std::unique_ptr<published_actor> made(new published_actor(actor));
  made->port_ = *bound;
  return made;
}

published_actor::~published_actor() {
  actor_.home_system().middleman().unpublish(actor_, port_);
}

#endif

error no_answer_from(const tcp_address& where, bool is_encrypted, const std::string& reason) {
  const std::string expected =
      is_encrypted ? "with keys (--tls-ca, --tls-cert, --tls-key) and certificates that both sides trust"
                   : "without keys; where it has some (--tls-ca, --tls-cert, --tls-key), give them here, too";
  return {errc::io, to_string(where) + " does not answer as a process of a job does: " + reason + ". Expected one " +
                        expected};
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
