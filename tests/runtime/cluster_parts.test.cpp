#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include <weir/runtime/cluster/frames.hpp>
#include <weir/runtime/cluster/messages.hpp>
#include <weir/runtime/cluster/network.hpp>
#include <weir/runtime/cluster/placement.hpp>

using namespace weir;

namespace {

/// Messages of random lengths, some of them longer than a frame.
std::vector<bytes> random_messages(std::mt19937& random) {
  std::vector<bytes> all(1 + random() % 50);
  for (bytes& one : all) {
    const std::size_t most = random() % 10 == 0 ? 4 * frame_writer::full_size : 300;
    one.assign(random() % most, static_cast<char>('a' + random() % 26));
  }
  return all;
}

std::vector<bytes> frames_of(const std::vector<bytes>& messages) {
  frame_writer writer;
  std::vector<bytes> frames;
  for (const bytes& one : messages)
    writer.add(one, [&](bytes frame) { frames.push_back(std::move(frame)); });
  if (!writer.is_empty())
    frames.push_back(writer.take());
  return frames;
}

deploy_tasks some_deployment() {
  deploy_tasks order;
  order.attempt = epoch{7};
  order.placement = {1, 2, 1};
  order.workers = {{1, "a", "alpha", 4000}, {2, "b", "beta", 4001}};
  order.apart = {3};
  order.is_restored = 1;
  order.contents.checkpoint.id = checkpoint_id{12};
  operator_snapshot& snapshot = order.contents.operators.emplace_back();
  snapshot.uid = "sum";
  snapshot.keyed_states = {{"total", "value", "u64", true}};
  snapshot.key_groups.push_back({key_group{5}, 3, "data", nullptr, false, {1, 2, 3}});
  snapshot.lists.push_back({"list", redistribution::full_union, "text", {"one", "two"}});
  snapshot.channels.push_back({"from", 1, 2, 3, "type", 4, "records"});
  order.first_splits = {{"split"}, {}};
  return order;
}

} // namespace

TEST_CASE("frames carry messages of any length in their order") {
  const std::uint32_t seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 50; ++round) {
    const std::vector<bytes> sent = random_messages(random);
    std::vector<bytes> received;
    frame_reader reader;
    for (const bytes& frame : frames_of(sent)) {
      CHECK(frame.size() <= frame_reader::longest_frame);
      reader.read(frame, [&](std::string_view message) { received.emplace_back(message); });
    }
    CHECK(received == sent);
  }
}

TEST_CASE("a frame that is missing, comes twice or is garbage is refused") {
  const std::vector<bytes> frames = frames_of({bytes(frame_writer::full_size, 'x'), bytes(10, 'y')});
  REQUIRE(frames.size() == 2);
  const auto ignore = [](std::string_view) {};
  frame_reader second_first;
  CHECK_THROWS_AS(second_first.read(frames[1], ignore), malformed_bytes);
  frame_reader twice;
  twice.read(frames[0], ignore);
  CHECK_THROWS_AS(twice.read(frames[0], ignore), malformed_bytes);
  frame_reader longer;
  CHECK_THROWS_AS(longer.read(bytes(frame_reader::longest_frame + 1, '\0'), ignore), malformed_bytes);
  for (std::size_t size = 0; size < frames[1].size(); ++size) {
    if (size == sizeof(std::uint64_t)) // a frame without messages
      continue;
    frame_reader cut;
    cut.read(frames[0], ignore);
    CHECK_THROWS_AS(cut.read(std::string_view(frames[1]).substr(0, size), ignore), malformed_bytes);
  }
}

TEST_CASE("what processes tell each other survives being written down") {
  to_worker read;
  read_message(encoded_message(to_worker{some_deployment()}), read);
  const auto& order = std::get<deploy_tasks>(read);
  CHECK(order.attempt == epoch{7});
  CHECK(order.placement == std::vector<std::uint32_t>{1, 2, 1});
  CHECK(order.workers[1].host == "beta");
  CHECK(order.workers[1].port == 4001);
  CHECK(order.apart == std::vector<std::uint32_t>{3});
  CHECK(order.contents.checkpoint.id == checkpoint_id{12});
  const operator_snapshot& snapshot = order.contents.operators.at(0);
  CHECK(snapshot.keyed_states == some_deployment().contents.operators[0].keyed_states);
  CHECK(snapshot.key_groups.at(0).data == "data");
  CHECK(snapshot.key_groups.at(0).chain.deltas == 3);
  CHECK(snapshot.lists.at(0).items == std::vector<bytes>{"one", "two"});
  CHECK(snapshot.channels.at(0).data == "records");
  CHECK(order.first_splits == some_deployment().first_splits);

  read_message(encoded_message(to_worker{order_to_task{epoch{3}, task_id{4}, stop_task{}}}), read);
  CHECK(std::holds_alternative<stop_task>(std::get<order_to_task>(read).order));
  CHECK(std::get<order_to_task>(read).task == task_id{4});

  to_coordinator answer;
  read_message(encoded_message(to_coordinator{task_failed{epoch{3}, task_id{4}, "why", true}}), answer);
  CHECK(std::get<task_failed>(answer).reason == "why");
  CHECK(std::get<task_failed>(answer).may_pass);
}

TEST_CASE("messages that are cut off or damaged are refused, whatever is in them") {
  const bytes whole = encoded_message(to_worker{some_deployment()});
  to_worker read;
  for (std::size_t size = 0; size < whole.size(); ++size)
    CHECK_THROWS_AS(read_message(std::string_view(whole).substr(0, size), read), malformed_bytes);
  const std::uint32_t seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 20'000; ++round) {
    bytes damaged = whole;
    for (int i = 0; i < 3; ++i)
      damaged[random() % damaged.size()] = static_cast<char>(random());
    try {
      read_message(damaged, read);
    } catch (const malformed_bytes&) {
    }
  }
}

TEST_CASE("slots go to the workers with the most free ones, or to as few as possible") {
  using numbers = std::vector<std::uint32_t>;
  CHECK(place_slots(4, {2, 2, 2}, task_placement::spread) == numbers{0, 1, 2, 0});
  CHECK(place_slots(3, {1, 3}, task_placement::spread) == numbers{1, 1, 0});
  CHECK(place_slots(4, {2, 2, 2}, task_placement::pack) == numbers{0, 0, 1, 1});
  CHECK(place_slots(2, {0, 1, 1}, task_placement::pack) == numbers{1, 2});
}

TEST_CASE("addresses are read as a person writes them, and a mistake is named") {
  const auto both = parse_tcp_address("example.org:7000");
  REQUIRE(both);
  CHECK(both->host == "example.org");
  CHECK(both->port == 7000);
  CHECK(parse_tcp_address("[::1]:7000")->host == "::1");
  CHECK(parse_tcp_address(":7000")->host.empty());
  CHECK(parse_tcp_address("7000")->port == 7000);
  for (const char* wrong : {"", "host:", "host:70000", "host:-1", "host:7000x", "host"}) {
    CAPTURE(wrong);
    const auto read = parse_tcp_address(wrong);
    REQUIRE_FALSE(read);
    CHECK(read.failure().message.find("HOST:PORT") != std::string::npos);
  }
}

TEST_CASE("a heartbeat that is too long for the timeout is refused, with both") {
  cluster_config config;
  CHECK(check_cluster(config).has_value());
  config.timeout = std::chrono::milliseconds{300};
  CHECK(check_cluster(config).has_value());
  config.heartbeat = std::chrono::milliseconds{101};
  const status refused = check_cluster(config);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.failure().code == errc::invalid_setting);
  for (const char* part : {"cluster.heartbeat is 101ms", "cluster.timeout 300ms", "at most a third"})
    CHECK(refused.failure().message.find(part) != std::string::npos);
}
