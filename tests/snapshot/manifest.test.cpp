#include <cstdint>
#include <utility>

#include <doctest/doctest.h>

#include <weir/snapshot/manifest.hpp>

using namespace weir;
using namespace weir::detail;

namespace {

manifest example() {
  manifest example;
  example.checkpoint = {checkpoint_id{12}, epoch{3}, 1700000000000, 128, 4711, true};
  stored_operator part;
  part.uid = "count";
  part.instance = 1;
  part.parallelism = 2;
  part.drained = true;
  part.counts = {99, 3, 2};
  part.watermark = event_time{std::chrono::milliseconds{1234}};
  part.key_type = "std::string";
  part.keyed_states = {{"n", "value", "i32", true}};
  part.key_groups = {
      {key_group{5}, 7, {{key_group_blob(checkpoint_id{10}, "count", key_group{5}), 100, 200},
                         {delta_blob(checkpoint_id{11}, "count", key_group{5}, 1), 10, 20},
                         {delta_blob(checkpoint_id{12}, "count", key_group{5}, 2), 11, 21}}},
      {key_group{6}, 1, {{delta_blob(checkpoint_id{12}, "count", key_group{6}, 0), 1, 2}}}};
  part.lists = {
      {"l", redistribution::full_union, "string", 2, {list_blob(checkpoint_id{12}, "count", 1, 0), 8, 9}}};
  example.operators.push_back(part);
  return example;
}

// Of example(): the last 8 bytes are the number of other parts.
bytes with_other_part() {
  bytes content = encode_manifest(example());
  content[content.size() - 8] = 1;
  content.push_back(5);
  return content;
}

} // namespace

TEST_CASE("a manifest is decoded as it was encoded, with references to any checkpoint") {
  const bytes content = encode_manifest(example());
  const auto read = decode_manifest(content);
  REQUIRE(read);
  CHECK(encode_manifest(*read) == content);
  CHECK(read->checkpoint.id == checkpoint_id{12});
  CHECK(read->checkpoint.last);
  REQUIRE(read->operators.size() == 1);
  REQUIRE(read->operators[0].key_groups[0].blobs.size() == 3);
  CHECK(read->operators[0].key_groups[0].blobs[0].key.checkpoint == checkpoint_id{10});
  CHECK(read->operators[0].key_groups[0].blobs[1].key.checkpoint == checkpoint_id{11});
  CHECK(read->operators[0].lists[0].mode == redistribution::full_union);
  CHECK(read->operators[0].counts == record_counts{99, 3, 2});
}

TEST_CASE("a manifest that ends too early or late is damaged") {
  const bytes content = encode_manifest(example());
  for (std::size_t size = 0; size < content.size(); ++size) {
    const auto read = decode_manifest(content.substr(0, size));
    REQUIRE_FALSE(read);
    CHECK(read.failure().code == errc::corrupt);
  }
  CHECK(decode_manifest(content + "x").failure().code == errc::corrupt);
}

TEST_CASE("a part that only another version can interpret is named") {
  const auto timers = decode_manifest(with_other_part());
  REQUIRE_FALSE(timers);
  CHECK(timers.failure().code == errc::wrong_version);
  CHECK(timers.failure().message.find("timers of operator \"count\"") != std::string::npos);

  manifest other = example();
  other.operators[0].key_groups[0].blobs[1].key.kind = blob_kind::channel;
  const auto batches = decode_manifest(encode_manifest(other));
  REQUIRE_FALSE(batches);
  CHECK(batches.failure().code == errc::wrong_version);
  CHECK(batches.failure().message.find("key group 5 of operator \"count\"") != std::string::npos);
}

TEST_CASE("a key group whose references make no sense is damaged") {
  const auto with = [](auto change) {
    manifest changed = example();
    change(changed.operators[0].key_groups[0].blobs);
    const auto read = decode_manifest(encode_manifest(changed));
    REQUIRE_FALSE(read);
    CHECK(read.failure().code == errc::corrupt);
    CHECK(read.failure().message.find("key group 5 of operator \"count\"") != std::string::npos);
  };
  with([](auto& blobs) { blobs.clear(); });
  with([](auto& blobs) { std::swap(blobs[1], blobs[2]); });
  with([](auto& blobs) { blobs[1].key.kind = blob_kind::key_group; });
  with([](auto& blobs) { blobs[2].key.index += std::uint64_t{1} << 32; });
}

TEST_CASE("a sealed value whose bytes were changed is not opened") {
  const bytes value = sealed("some content");
  CHECK(*unsealed(value) == "some content");
  CHECK(*unsealed(sealed("")) == "");
  for (std::size_t i = 0; i < value.size(); ++i) {
    bytes changed = value;
    changed[i] = static_cast<char>(changed[i] ^ 4);
    CHECK_FALSE(unsealed(changed));
    CHECK_FALSE(unsealed(value.substr(0, i)));
  }
}

TEST_CASE("keys of blobs and checkpoints sort by number") {
  CHECK(checkpoint_key(checkpoint_id{255}) < checkpoint_key(checkpoint_id{256}));
  CHECK(checkpoint_of_key(checkpoint_key(checkpoint_id{123456789012})).value == 123456789012);
  CHECK(checkpoint_of_key("short") == checkpoint_id{});
  CHECK(key_group_blob(checkpoint_id{1}, "a", key_group{255}).encoded() <
        key_group_blob(checkpoint_id{1}, "a", key_group{256}).encoded());
  CHECK(key_group_blob(checkpoint_id{1}, "a", key_group{0}).encoded().size() == 25);
}
