// Messages of other actor systems come from CAF's library alone, which ThreadSanitizer does not see into.
#if !defined(__SANITIZE_THREAD__)

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <future>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <poll.h>
#include <sys/socket.h>

#include <support/certificates.hpp>
#include <support/connections.hpp>
#include <support/memory_sink.hpp>
#include <support/running_job.hpp>
#include <weir/actors/sources/generate.hpp>
#include <weir/runtime/cluster/network.hpp>
#include <weir/runtime/cluster/protocol.hpp>
#include <weir/runtime/cluster/tls.hpp>
#include <weir/runtime/cluster/worker.hpp>
#include <weir/runtime/job.hpp>
#include <weir/runtime/topology.hpp>

using namespace weir;
using namespace weir::testing;
using namespace std::chrono_literals;

namespace {

class idle_actor : public actor_base {
 public:
  using actor_base::actor_base;

 protected:
  caf::behavior make_behavior() override {
    return {[](begin_connection) {}};
  }
};

/// Looks for a published actor once.
class finder_actor : public actor_base {
 public:
  finder_actor(caf::actor_config& setup, tcp_address where, duration timeout, std::promise<std::string> failure)
      : actor_base(setup), where_(std::move(where)), timeout_(timeout), failure_(std::move(failure)) {}

 protected:
  caf::behavior make_behavior() override {
    return {[this](begin_connection) {
      find_published(*this, where_, timeout_, "start it", [this](result<caf::actor> found) {
        failure_.set_value(found ? std::string() : found.failure().message);
        quit();
      });
    }};
  }

 private:
  tcp_address where_;
  duration timeout_;
  std::promise<std::string> failure_;
};

/// Like another process: an actor system with keys of its own, or none.
struct process {
  explicit process(const cluster_config& cluster) : configuration(1, cluster), system(configuration) {
    system.await_actors_before_shutdown(true);
  }
  ~process() { await_network(system); }

  /// Empty: it was found. Else why not.
  std::string find(std::uint16_t port, duration timeout = 10s) {
    std::promise<std::string> failure;
    std::future<std::string> answer = failure.get_future();
    tell_anonymously(spawn_actor<finder_actor>(system, tcp_address{"127.0.0.1", port}, timeout, std::move(failure)),
                     begin_connection{});
    REQUIRE(answer.wait_for(30s) == std::future_status::ready);
    return answer.get();
  }

  network_configuration configuration;
  caf::actor_system system;
};

/// A process with an actor that others may find.
struct publisher {
  explicit publisher(const cluster_config& cluster) : where(cluster), actor(spawn_actor<idle_actor>(where.system)) {
    auto published = publish(actor, {"127.0.0.1", 0});
    if (!published)
      FAIL(published.failure().message);
    at = std::move(*published);
  }
  ~publisher() {
    at.reset();
    kill_actor(std::exchange(actor, nullptr));
  }

  process where;
  caf::actor actor;
  std::unique_ptr<published_actor> at;
};

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

constexpr std::uint64_t records = 40'000;
constexpr std::uint64_t keys = 97;

/// A job on workers that takes long enough to be attacked meanwhile; `cluster`: the keys that all of them have.
class attacked_job {
 public:
  explicit attacked_job(const cluster_config& cluster) : cluster_(cluster) {
    topology_.source("numbers", generate([](std::uint64_t i) { return i; }, records))
        .map("rest",
             [this](std::uint64_t i) {
               has_begun_ = true;
               if (!is_hurried_)
                 std::this_thread::sleep_for(i < records / 4 ? 100us : 10ms); // it does not end before check()
               return i % keys;
             })
        .key_by([](std::uint64_t key) { return key; })
        .count("count")
        .sink("out", memory_sink<counted<std::uint64_t>>{output_});
    job_config config;
    config.cluster = cluster;
    config.cluster.listen = "127.0.0.1:0";
    config.cluster.timeout = 10s;
    config.parallelism = 2;
    config.task.batch_size = 64;
    auto started = job::start(topology_, config);
    if (!started)
      FAIL(started.failure().message);
    job_ = std::move(*started);
  }

  std::uint16_t port() const { return job_->port(); }

  /// Returns their ports.
  std::vector<std::uint16_t> start_workers() {
    for (int i = 0; i < 2; ++i) {
      job_config config;
      config.cluster = cluster_;
      config.cluster.timeout = 10s;
      config.cluster.join = "127.0.0.1:" + std::to_string(port());
      config.cluster.slots = 1;
      config.threads = 1;
      auto started = worker::start(topology_, config);
      if (!started)
        FAIL(started.failure().message);
      workers_.push_back(std::move(*started));
    }
    REQUIRE(becomes_true([this] { return has_begun_.load(); })); // so both have joined, and not once more
    std::vector<std::uint16_t> ports;
    for (const time_point end = std::chrono::steady_clock::now() + 30s;
         ports.size() != workers_.size() && std::chrono::steady_clock::now() < end; std::this_thread::sleep_for(5ms)) {
      ports = own_ports();
      std::erase(ports, port());
    }
    REQUIRE(ports.size() == workers_.size());
    return ports;
  }

  /// Lets it end, and looks at what has come out.
  void check() {
    is_hurried_ = true;
    const job_report report = job_->wait();
    CHECK_MESSAGE(report.what == job_report::outcome::finished, report.failure);
    CHECK(report.restarts == 0);
    std::vector<std::pair<std::uint64_t, std::uint64_t>> found, expected;
    for (const auto& one : output_->visible())
      found.emplace_back(one.key, one.count);
    for (std::uint64_t i = 0; i < records; ++i)
      expected.emplace_back(i % keys, i / keys + 1);
    std::sort(found.begin(), found.end());
    std::sort(expected.begin(), expected.end());
    CHECK(found == expected);
  }

 private:
  cluster_config cluster_;
  std::atomic<bool> has_begun_ = false;
  std::atomic<bool> is_hurried_ = false;
  std::shared_ptr<committed_records<counted<std::uint64_t>>> output_ =
      std::make_shared<committed_records<counted<std::uint64_t>>>();
  topology topology_{"attacked"};
  std::unique_ptr<job> job_;
  std::vector<std::unique_ptr<worker>> workers_;
};

std::vector<file_descriptor> connect_often(std::uint16_t port) {
  std::vector<file_descriptor> made;
  for (int i = 0; i < 1000; ++i)
    made.push_back(connect_locally(port));
  return made;
}

/// The head of a frame of CAF's: what it is, and how long the rest is.
bytes frame_head(char what, std::uint32_t payload) {
  bytes head(32, '\0');
  head[0] = what;
  for (int i = 0; i < 4; ++i)
    head[4 + i] = static_cast<char>(payload >> (24 - 8 * i));
  head[31] = what > 1 ? '\1' : '\0'; // the receiver
  return head;
}

void send_garbage(std::uint16_t port) {
  std::mt19937_64 random{port};
  bytes garbage(10'000'000, '\0');
  for (char& one : garbage)
    one = static_cast<char>(random());
  const file_descriptor connection = connect_locally(port);
  send_all(connection, garbage, 10s);
  CHECK(is_closed_within(connection, 10s));
  // Greetings without what has to follow, which CAF reads all the same, and with more than there is memory for.
  for (const bytes& head : {frame_head(1, 0), frame_head(0, 0), frame_head(1, 0xFFFFFFF0u), frame_head(2, 0xFFFFFFF0u)}) {
    const file_descriptor other = connect_locally(port);
    send_all(other, head, 10s);
    CHECK(is_closed_within(other, 10s));
  }
}

/// With what a process of Weir's that is not encrypted begins.
bytes real_greeting() {
  auto listening = listen_on({"127.0.0.1", 0});
  if (!listening)
    FAIL(listening.failure().message);
  const file_descriptor& socket = listening->front();
  process caller{{}};
  auto found = std::async(std::launch::async, [&] { return caller.find(port_of(socket), 500ms); });
  pollfd ready{socket.number(), POLLIN, 0};
  REQUIRE(::poll(&ready, 1, 10'000) == 1);
  const file_descriptor connection(::accept(socket.number(), nullptr, nullptr));
  bytes greeting(4096, '\0');
  const ssize_t size = ::recv(connection.number(), greeting.data(), greeting.size(), 0);
  REQUIRE(size > 32);
  greeting.resize(static_cast<std::size_t>(size));
  CHECK(contains(found.get(), "nothing has come in time"));
  return greeting;
}

void check_attacked_job(const cluster_config& cluster) {
  constexpr std::size_t at_least = 1000 - guarded_port::most_waiting;
  peak_memory();
  const std::uint64_t before = peak_memory();
  attacked_job job(cluster);
  const auto at_coordinator = connect_often(job.port());
  send_garbage(job.port());
  const auto ports = job.start_workers();
  CHECK(closed_within(at_coordinator, at_least, 10s) >= at_least);
  for (const std::uint16_t port : ports) {
    const auto at_worker = connect_often(port);
    send_garbage(port);
    CHECK(closed_within(at_worker, at_least, 10s) >= at_least);
  }
  send_garbage(job.port());
  job.check();
  CHECK(peak_memory() < before + 500);
}

} // namespace

TEST_CASE("random bytes and a thousand connections that say nothing do a job and its workers no harm") {
  check_attacked_job({});
}

TEST_CASE("random bytes and a thousand connections that say nothing do an encrypted job no harm either") {
  const certificates authority("job");
  check_attacked_job(authority.config_of("one"));
}

TEST_CASE("a frame that is longer than any of a job's is refused, even of who has begun as a process of it does") {
  publisher there{{}};
  const bytes greeting = real_greeting();
  peak_memory();
  const std::uint64_t before = peak_memory();
  const file_descriptor unfinished = connect_locally(there.at->port());
  send_all(unfinished, greeting.substr(0, greeting.size() - 1), 10s);
  const file_descriptor connection = connect_locally(there.at->port());
  send_all(connection, greeting.substr(0, 40), 10s);
  CHECK_FALSE(is_closed_within(connection, 200ms));
  send_all(connection, greeting.substr(40), 10s);
  CHECK_FALSE(is_closed_within(connection, 200ms));
  send_all(connection, frame_head(2, 0xFFFFFFF0u) + bytes(1000, 'x'), 10s);
  CHECK(is_closed_within(connection, 10s));
  CHECK(peak_memory() < before + 500);
  CHECK(is_closed_within(unfinished, guarded_port::patience + 10s));
  process honest{{}};
  CHECK(honest.find(there.at->port()) == "");
}

TEST_CASE("processes find each other if both have certificates that both trust, or none has, and are told else") {
  const certificates ours("ours"), theirs("theirs");
  publisher plain{{}}, encrypted{ours.config_of("one")};
  process without{{}}, with{ours.config_of("two")}, stranger{theirs.config_of("one")};

  CHECK(without.find(plain.at->port()) == "");
  CHECK(with.find(encrypted.at->port()) == "");

  const std::string no_keys = without.find(encrypted.at->port());
  CHECK_MESSAGE(contains(no_keys, "where it has some (--tls-ca, --tls-cert, --tls-key), give them here"), no_keys);
  const std::string no_keys_there = with.find(plain.at->port());
  CHECK_MESSAGE(contains(no_keys_there, "Expected one with keys"), no_keys_there);
  const std::string other_authority = stranger.find(encrypted.at->port());
  CHECK_MESSAGE(contains(other_authority, "certificate verify failed"), other_authority);

  // It trusts the other end, which does not trust it.
  cluster_config half = theirs.config_of("one");
  half.tls_ca = ours.file("ca.pem");
  process trusting{half};
  const std::string unknown = trusting.find(encrypted.at->port());
  CHECK_MESSAGE(contains(unknown, "alert"), unknown);

  CHECK(without.find(plain.at->port()) == ""); // and nothing of that has harmed anybody
  CHECK(with.find(encrypted.at->port()) == "");

  // The files are read anew.
  std::filesystem::copy_file(theirs.file("ca.pem"), ours.file("ca.pem"), std::filesystem::copy_options::overwrite_existing);
  CHECK(contains(with.find(encrypted.at->port()), "certificate verify failed"));
}

TEST_CASE("a process that does not answer is given up in time") {
  const certificates authority("ours");
  auto listening = listen_on({"127.0.0.1", 0});
  if (!listening)
    FAIL(listening.failure().message);
  const std::uint16_t port = port_of(listening->front());
  for (const cluster_config& keys : {cluster_config{}, authority.config_of("one")}) {
    process caller{keys};
    const time_point begun = std::chrono::steady_clock::now();
    const std::string why = caller.find(port, 300ms);
    CHECK_MESSAGE((contains(why, "nothing has come in time") || contains(why, "does not answer")), why);
    CHECK(std::chrono::steady_clock::now() - begun < 10s);
  }
}


TEST_CASE("keys that are not there, or do not belong together, are named before anything starts") {
  const certificates ours("ours"), theirs("theirs");
  CHECK(check_tls({}));
  CHECK(check_tls(ours.config_of("one")));
  const auto check_refused = [&](auto change, const std::string& expected) {
    cluster_config config = ours.config_of("one");
    change(config);
    const status checked = check_tls(config);
    REQUIRE_FALSE(checked);
    CHECK(checked.failure().code == errc::invalid_setting);
    CHECK_MESSAGE(contains(checked.failure().message, expected), checked.failure().message);
  };
  check_refused([](auto& c) { c.tls_key.clear(); }, "cluster.tls-ca and cluster.tls-cert without cluster.tls-key");
  check_refused([](auto& c) { c.tls_cert = "/nowhere/cert.pem"; }, "cluster.tls-cert: cannot read the file \"/nowhere/cert.pem\"");
  check_refused([](auto& c) { c.tls_ca = "/"; }, "cluster.tls-ca: expected a file");
  check_refused([&](auto& c) { c.tls_key = ours.file("two.key"); }, "key values mismatch");
  check_refused([&](auto& c) { c.tls_cert = ours.file("one.key"); }, "cluster.tls-cert: expected a certificate in PEM form");
  check_refused([&](auto& c) { c.tls_ca = ours.file("one.key"); }, "cluster.tls-ca: expected certificates in PEM form");
  check_refused([&](auto& c) { c.tls_ca = theirs.file("ca.pem"); }, "is not valid: unable to get local issuer certificate");
}

#endif
