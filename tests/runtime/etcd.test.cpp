#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <thread>

#include <sys/socket.h>
#include <unistd.h>

#include <snapshot/store_samples.hpp>
#include <support/etcd_process.hpp>
#include <weir/runtime/cluster/base64.hpp>
#include <weir/runtime/cluster/etcd_arbiter.hpp>
#include <weir/runtime/cluster/etcd_client.hpp>

using namespace weir;
using namespace weir::testing;
using namespace std::chrono_literals;

namespace {

using condition = arbiter_transaction::condition;

time_point now() {
  return std::chrono::steady_clock::now();
}

std::string local(std::uint16_t port) {
  return "127.0.0.1:" + std::to_string(port);
}

/// Asks until etcd, which takes a moment to start, has answered.
arbiter_answer read_patiently(arbiter& from, const std::string& key) {
  const time_point end = now() + 20s;
  for (;;) {
    auto answer = from.carry_out({{}, {}, {key}}, now() + 2s);
    if (answer)
      return std::move(*answer);
    if (now() > end)
      FAIL(answer.failure().message);
    std::this_thread::sleep_for(20ms);
  }
}

bool can_test() {
  if (etcd_process::is_installed())
    return true;
  MESSAGE("SKIPPED, nothing was tested: there is no etcd (tests/install-dependencies.sh installs it)");
  return false;
}

/// Answers whoever connects with a text, and closes.
class talking_server {
 public:
  explicit talking_server(std::string answer)
      : thread_([this, text = std::move(answer)] {
          for (int connected; (connected = ::accept(socket_.number(), nullptr, nullptr)) >= 0; ::close(connected)) {
            char request[4096];
            [[maybe_unused]] ssize_t size = ::recv(connected, request, sizeof request, 0);
            size = ::send(connected, text.data(), text.size(), MSG_NOSIGNAL);
          }
        }) {}
  ~talking_server() {
    ::shutdown(socket_.number(), SHUT_RDWR);
    thread_.join();
  }

  std::uint16_t port() const { return socket_.port(); }

 private:
  listening_socket socket_;
  std::thread thread_;
};

} // namespace

TEST_CASE("the members of etcd are read from one text") {
  const auto read = [](std::string_view text) {
    std::string all;
    for (const tcp_address& one : expect(parse_etcd_members(text)))
      all += to_string(one) + " ";
    return all;
  };
  CHECK(read("etcd://localhost:2379") == "localhost:2379 ");
  CHECK(read("etcd://10.0.0.1:2379,b:2380,[::1]:2381") == "10.0.0.1:2379 b:2380 [::1]:2381 ");
  for (const char* text : {"", "etcd://", "localhost:2379", "http://a:1", "etcd://a", "etcd://a:0", "etcd://a:1,", "etcd://:2379",
                           "etcd://a:1,,b:2", "etcd://a:1 ,b:2", "etcd://a:99999", "zookeeper://a:1"}) {
    CAPTURE(text);
    const auto refused = parse_etcd_members(text);
    REQUIRE_FALSE(refused);
    CHECK(refused.failure().code == errc::invalid_setting);
    CHECK(has(refused.failure(), "expected etcd://HOST:PORT"));
  }
}

TEST_CASE("bytes are text of base64 and back") {
  for (const auto& [data, text] : {std::pair{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foobar", "Zm9vYmFy"}}) {
    CHECK(to_base64(data) == text);
    CHECK(from_base64(text) == data);
  }
  std::string all;
  for (int c = 0; c < 256; ++c)
    all += static_cast<char>(c);
  CHECK(from_base64(to_base64(all)) == all);
  for (const char* text : {"Z", "Zg", "Zg=", "Zh==", "====", "Zm9v====", "Z m9", "Zg==Zg=="})
    CHECK_FALSE(from_base64(text));
}

TEST_CASE("transactions and leases of a real etcd") {
  if (!can_test())
    return;
  etcd_process etcd;
  const auto arbiter = expect(connect_to_etcd(etcd.address()));
  CHECK_FALSE(read_patiently(*arbiter, "/k").at("/k").exists());

  const auto lease = expect(arbiter->grant(3s, now() + 2s));
  CHECK(lease.length >= 2s);
  const std::string value("\0\xff{\"\n", 5);
  const arbiter_transaction claim{{{"/k", condition::of::created, 0}}, {{"/k", value, lease.id}}, {"/k", "/other"}};
  const auto first = expect(arbiter->carry_out(claim, now() + 2s));
  CHECK(first.done);
  CHECK(first.at("/k").value == value);
  CHECK(first.at("/k").lease == lease.id);
  CHECK(first.at("/k").created == first.revision);
  CHECK_FALSE(first.at("/other").exists());
  const auto second = expect(arbiter->carry_out(claim, now() + 2s));
  CHECK_FALSE(second.done);
  CHECK(second.at("/k").created == first.revision);

  const auto swap = [&](arbiter_revision changed) {
    return expect(arbiter->carry_out(
        {{{"/k", condition::of::created, first.revision}, {"/r", condition::of::changed, changed}}, {{"/r", "x"}}, {"/r"}},
        now() + 2s));
  };
  const auto written = swap(0);
  CHECK(written.done);
  CHECK_FALSE(swap(0).done);
  CHECK(swap(written.at("/r").changed).done);

  CHECK(expect(arbiter->renew(lease.id, now() + 2s)) == lease.length);
  expect(arbiter->revoke(lease.id, now() + 2s));
  expect(arbiter->revoke(lease.id, now() + 2s)); // it is gone already
  CHECK(expect(arbiter->renew(lease.id, now() + 2s)) == duration::zero());
  CHECK_FALSE(read_patiently(*arbiter, "/k").at("/k").exists());
  CHECK_FALSE(swap(0).done);
  CHECK(arbiter->carry_out(claim, now() + 2s).failure().code == errc::in_use);
  const auto removed = expect(arbiter->carry_out({{}, {{"/r", {}, 0, true}}, {"/r"}}, now() + 2s));
  CHECK(removed.done);
  CHECK_FALSE(removed.at("/r").exists());
}

TEST_CASE("a member that is not there, answers nothing or nonsense is passed over for the next") {
  if (!can_test())
    return;
  etcd_process etcd;
  const listening_socket silent;
  const talking_server nonsense("SSH-2.0-OpenSSH_9.2\r\n");
  const talking_server failing("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\n{}");
  const std::string end = "," + local(etcd.port());
  expect(connect_to_etcd(etcd.address()));
  const auto wait = expect(connect_to_etcd(etcd.address()));
  read_patiently(*wait, "/k");
  for (const std::string& first : {local(unused_port()), local(silent.port()), local(nonsense.port()), local(failing.port())}) {
    CAPTURE(first);
    const auto arbiter = expect(connect_to_etcd("etcd://" + first + end));
    time_point began = now();
    CHECK(arbiter->carry_out({{}, {}, {"/k"}}, now() + 5s));
    CHECK(now() - began < 4s);
    // And is not asked first any more.
    began = now();
    CHECK(arbiter->carry_out({{}, {}, {"/k"}}, now() + 5s));
    CHECK(now() - began < 700ms);
  }
}

TEST_CASE("nobody who answers in time is an error that says what each member did") {
  const listening_socket silent;
  const talking_server nonsense("SSH-2.0-OpenSSH_9.2\r\n");
  const talking_server web("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n<a/>\n");
  const talking_server wrong("HTTP/1.1 404 Not Found\r\nContent-Length: 19\r\n\r\n404 page not found\n");
  const talking_server listing("HTTP/1.1 200 OK\r\nContent-Length: 39\r\n\r\n{\"header\":{\"revision\":\"4\"},\"responses\":[]}");
  const auto failure_of = [](const std::string& members) {
    const auto arbiter = expect(connect_to_etcd("etcd://" + members));
    const time_point began = now();
    const auto answer = arbiter->carry_out({{}, {}, {"/k"}}, now() + 300ms);
    CHECK(now() - began < 2s);
    REQUIRE_FALSE(answer);
    CHECK(answer.failure().code == errc::io);
    return answer.failure();
  };
  CHECK(has(failure_of(local(unused_port())), "start etcd there"));
  CHECK(has(failure_of(local(silent.port())), local(silent.port())));
  CHECK(has(failure_of(local(nonsense.port())), local(nonsense.port())));
  CHECK(has(failure_of(local(web.port())), "expected etcd 3.4 or later"));
  CHECK(has(failure_of(local(wrong.port())), "HTTP code 404"));
  failure_of(local(listing.port()));
}
