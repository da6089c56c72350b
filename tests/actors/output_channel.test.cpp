#include <doctest/doctest.h>

#include <string>

#include <weir/actors/output_channel.hpp>

using namespace weir;

namespace {

struct recorded : channel_transport {
  void send_batch(std::uint32_t, batch_ptr) override { sent += "b"; }
  void send_marker(std::uint32_t, const marker& what) override {
    sent += what.what == marker::kind::barrier ? "s" : "e";
  }
  std::string sent;
};

batch_ptr some_batch() {
  return batch_ptr(new batch<int>(1));
}

} // namespace

TEST_CASE("a channel sends as many batches as it has credits, then waits") {
  recorded transport;
  output_channel channel(0, 2, transport);
  for (int i = 0; i < 4; ++i)
    channel.send(some_batch());
  CHECK(transport.sent == "bb");
  CHECK(channel.is_blocked());
  channel.credit_returned({});
  CHECK(transport.sent == "bbb");
  channel.credit_returned({});
  CHECK(transport.sent == "bbbb");
  CHECK(!channel.is_blocked());
}

TEST_CASE("a marker costs no credit but does not overtake batches that wait") {
  recorded transport;
  output_channel channel(0, 1, transport);
  channel.send(some_batch());
  channel.send(marker::barrier({checkpoint_id{1}}));
  CHECK(transport.sent == "bs");
  channel.send(some_batch());
  channel.send(marker::end());
  CHECK(transport.sent == "bs");
  channel.credit_returned({});
  CHECK(transport.sent == "bsbe");
}

TEST_CASE("a batch that comes back with its credit is offered for reuse") {
  recorded transport;
  output_channel channel(0, 1, transport);
  CHECK(!channel.take_spare());
  channel.credit_returned(some_batch());
  CHECK(channel.take_spare());
  CHECK(!channel.take_spare());
}

TEST_CASE("what waits can be sent on credit, and then as many batches have to come back") {
  recorded transport;
  output_channel channel(0, 1, transport);
  for (int i = 0; i < 3; ++i)
    channel.send(some_batch());
  channel.send(marker::barrier({checkpoint_id{1}}));
  CHECK(transport.sent == "b");
  CHECK(channel.holds_barrier(checkpoint_id{1}));
  CHECK(!channel.holds_barrier(checkpoint_id{2}));
  channel.send_on_credit();
  CHECK(transport.sent == "bbbs");
  CHECK(!channel.holds_barrier(checkpoint_id{1}));
  channel.send(some_batch());
  channel.credit_returned({});
  channel.credit_returned({});
  CHECK(transport.sent == "bbbs");
  CHECK(channel.is_blocked());
  channel.credit_returned({});
  CHECK(transport.sent == "bbbsb");
  CHECK(!channel.is_blocked());
}
