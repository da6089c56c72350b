#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <sys/socket.h>

#include <support/connections.hpp>
#include <support/running_job.hpp>
#include <weir/runtime/cluster/link_stream.hpp>
#include <weir/runtime/cluster/network.hpp>
#include <weir/runtime/cluster/protocol.hpp>

using namespace weir;
using namespace weir::testing;
using namespace std::chrono_literals;

namespace {

// Of the link: from one end to the other, and the reverse.
constexpr std::uint32_t there = 7;
constexpr std::uint32_t back = 8;
constexpr std::uint32_t of_task = 1; // their number at the task

using number_batch = batch<std::uint64_t>;

const batch_codec& codec = *batch_codec_of<std::uint64_t>();

/// What a task and its link were told.
struct told {
  std::mutex mutex;
  std::vector<std::uint64_t> records; // and, for a watermark, its time with the highest bit
  std::size_t credits = 0;
  std::size_t emptied = 0; // batches that came back with them
  std::vector<std::string> losses;

  template <class Look>
  auto look(Look&& at) {
    const std::lock_guard lock(mutex);
    return at(*this);
  }
};

constexpr std::uint64_t watermark_bit = std::uint64_t{1} << 63;

/// A task and the link that it has, in one: done with a batch at once.
class listener_actor : public actor_base {
 public:
  listener_actor(caf::actor_config& setup, std::shared_ptr<told> to, std::shared_ptr<link_stream> stream,
                 std::uint32_t incoming)
      : actor_base(setup), to_(std::move(to)), stream_(std::move(stream)), incoming_(incoming) {
    ignore_unknown_messages(*this);
  }

 protected:
  caf::behavior make_behavior() override {
    return {
        [this](batch_sent& sent) {
          CHECK(sent.channel == of_task);
          auto& records = static_cast<number_batch&>(*sent.records);
          {
            const std::lock_guard lock(to_->mutex);
            to_->records.insert(to_->records.end(), records.begin(), records.end());
          }
          stream_->send_credit(incoming_, codec, std::move(sent.records));
          stream_->flush();
        },
        [this](const marker_sent& sent) {
          const std::lock_guard lock(to_->mutex);
          to_->records.push_back(static_cast<std::uint64_t>(sent.what.time.time_since_epoch().count()) | watermark_bit);
        },
        [this](credit_returned& returned) {
          const std::lock_guard lock(to_->mutex);
          ++to_->credits;
          to_->emptied += static_cast<bool>(returned.emptied);
        },
        [this](const stream_lost& fact) {
          const std::lock_guard lock(to_->mutex);
          to_->losses.push_back(fact.reason);
        },
    };
  }

  void on_exit() override { stream_ = nullptr; }

 private:
  std::shared_ptr<told> to_;
  std::shared_ptr<link_stream> stream_;
  std::uint32_t incoming_;
};

struct network {
  network() : configuration(2, {}), system(configuration) { system.await_actors_before_shutdown(true); }
  ~network() { await_network(system); }

  network_configuration configuration;
  caf::actor_system system;
};

struct link_end {
  link_end(network& in, file_descriptor socket, std::uint32_t to = there)
      : outgoing(to), incoming(to == there ? back : there),
        stream(std::make_shared<link_stream>(in.system, link_socket{std::move(socket), nullptr})),
        listener(spawn_actor<listener_actor>(in.system, heard, stream, incoming)) {}
  ~link_end() {
    stream->close();
    kill_actor(std::exchange(listener, nullptr));
  }

  void start(duration timeout = 1min) {
    stream->start({{outgoing, {&codec, listener, of_task, false}}, {incoming, {&codec, listener, of_task, true}}}, listener,
                  timeout);
  }

  void send(std::uint64_t first, std::uint32_t count) {
    auto* const records = new number_batch(count);
    batch_ptr owned(records);
    for (std::uint32_t i = 0; i < count; ++i)
      (*records)[i] = first + i;
    records->resize(count);
    stream->send_batch(outgoing, codec, std::move(owned));
  }

  bool has_lost(const std::string& reason) {
    return becomes_true([&] { return heard->look([](told& all) { return !all.losses.empty(); }); }) &&
           heard->look([&](told& all) { return all.losses.size() == 1 && all.losses[0].find(reason) != std::string::npos; });
  }

  std::uint32_t outgoing, incoming;
  std::shared_ptr<told> heard = std::make_shared<told>();
  std::shared_ptr<link_stream> stream;
  caf::actor listener;
};

std::pair<file_descriptor, file_descriptor> connected_sockets() {
  int numbers[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, numbers) == 0);
  return {file_descriptor(numbers[0]), file_descriptor(numbers[1])};
}

std::string_view bytes_of(const iovec& piece) {
  return {static_cast<const char*>(piece.iov_base), piece.iov_len};
}

/// Numbers from 0 in batches of some sizes, with watermarks between them.
void send_much(link_end& from, std::uint64_t batches, std::vector<std::uint64_t>& sent) {
  std::uint64_t next = 0;
  for (std::uint64_t i = 0; i < batches; ++i) {
    const std::uint32_t count = i % 7 == 0 ? 12'000 : 1 + static_cast<std::uint32_t>(i % 300);
    from.send(next, count);
    for (std::uint32_t k = 0; k < count; ++k)
      sent.push_back(next++);
    if (i % 5 == 0) {
      from.stream->send_marker(from.outgoing, marker::watermark(event_time{std::chrono::milliseconds{i}}));
      sent.push_back(i | watermark_bit);
    }
    if (i % 3 == 0)
      from.stream->flush();
  }
  from.stream->flush();
}

} // namespace

TEST_CASE("a link carries records and watermarks in both directions in their order, and their memory back") {
  constexpr std::uint64_t batches = 500;
  network both;
  auto [one, other] = connected_sockets();
  link_end a(both, std::move(one)), b(both, std::move(other), back);
  a.start();
  b.start();
  std::vector<std::uint64_t> of_a, of_b;
  std::thread sending([&] { send_much(a, batches, of_a); });
  send_much(b, batches, of_b);
  sending.join();
  for (link_end* end : {&a, &b}) {
    CHECK(becomes_true([&] { return end->heard->look([](told& all) { return all.credits == batches; }); }));
    CHECK(end->heard->look([](told& all) { return all.emptied > batches / 2; }));
    CHECK(end->heard->look([](told& all) { return all.losses.empty(); }));
  }
  CHECK(b.heard->look([&](told& all) { return all.records == of_a; }));
  CHECK(a.heard->look([&](told& all) { return all.records == of_b; }));
}

TEST_CASE("a link holds what its other end does not take yet, and sends it then") {
  constexpr std::uint64_t batches = 300;
  network both;
  auto [one, other] = connected_sockets();
  link_end a(both, std::move(one)), b(both, std::move(other), back);
  a.start();
  std::vector<std::uint64_t> sent;
  send_much(a, batches, sent); // more than the network takes
  a.stream->beat();
  b.stream->beat(); // it is there, although it does not read yet
  b.start();
  CHECK(becomes_true([&] { return a.heard->look([](told& all) { return all.credits == batches; }); }));
  CHECK(b.heard->look([&](told& all) { return all.records == sent; }));
}

TEST_CASE("a link is lost when its other end is gone, says nothing, or says what it cannot have said") {
  network here;
  {
    auto [one, other] = connected_sockets();
    link_end a(here, std::move(one));
    a.start();
    other.close();
    CHECK(a.has_lost("the connection was closed"));
  }
  {
    auto [one, other] = connected_sockets();
    link_end a(here, std::move(one));
    other.close();
    a.stream->beat();
    a.start(); // it had gone before
    CHECK(a.has_lost("the connection was closed"));
  }
  {
    auto [one, other] = connected_sockets();
    link_end a(here, std::move(one));
    a.start(100ms);
    CHECK(becomes_true([&] {
      a.stream->beat();
      return a.heard->look([](told& all) { return !all.losses.empty(); });
    }));
    CHECK(a.has_lost("nothing has been heard from it for 100ms"));
  }
  {
    auto [one, other] = connected_sockets();
    link_end a(here, std::move(one));
    a.start();
    send_all(other, std::string(1000, 'x'), 10s);
    CHECK(a.has_lost("it sent what cannot be read"));
  }
  {
    auto [one, other] = connected_sockets();
    link_end a(here, std::move(one));
    a.start();
    link_writer writer;
    writer.add_credit(there);
    send_all(other, bytes_of(writer.next().front()), 10s);
    CHECK(a.has_lost("more batches than it got"));
  }
  {
    auto [one, other] = connected_sockets();
    link_end a(here, std::move(one));
    a.start();
    link_writer writer;
    writer.add_marker(there, marker::end()); // on a channel that leads from a
    send_all(other, bytes_of(writer.next().front()), 10s);
    CHECK(a.has_lost("channel 7, which does not lead from there to here"));
  }
}

TEST_CASE("a link that is closed tells nobody anything") {
  network both;
  auto [one, other] = connected_sockets();
  link_end a(both, std::move(one)), b(both, std::move(other), back);
  a.start();
  b.start();
  b.stream->close();
  a.send(0, 10);
  a.stream->flush();
  a.stream->close();
  a.send(10, 10);
  a.stream->flush();
  a.stream->beat();
  CHECK(a.heard->look([](told& all) { return all.losses.size(); }) <= 1); // before it was closed itself
  CHECK(b.heard->look([](told& all) { return all.losses.empty(); }));
}
