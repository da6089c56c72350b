#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include <cereal/types/array.hpp>
#include <cereal/types/base_class.hpp>
#include <cereal/types/map.hpp>
#include <cereal/types/memory.hpp>
#include <cereal/types/optional.hpp>
#include <cereal/types/set.hpp>
#include <cereal/types/string.hpp>
#include <cereal/types/tuple.hpp>
#include <cereal/types/unordered_map.hpp>
#include <cereal/types/utility.hpp>
#include <cereal/types/variant.hpp>
#include <cereal/types/vector.hpp>
#include <doctest/doctest.h>

#include <weir/base/schema.hpp>

using weir::schema_of;

namespace {

enum class colour : std::uint8_t { red, green };

struct point {
  double x = 0;
  double y = 0;
};

struct order_v2 {
  static constexpr const char* schema_name = "order v2";
  std::uint32_t id = 0;
};

struct visit {
  std::string page;
  std::uint64_t count = 0;
  std::vector<std::pair<std::string, colour>> tags;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(page, CEREAL_NVP(count), tags);
  }
};

struct flat_with_fields {
  std::uint64_t key = 0;
  std::uint8_t flag = 0;
  float value = 0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(key, flag, value);
  }
};

struct versioned {
  std::string name;

  template <class Archive>
  void serialize(Archive& archive, std::uint32_t) {
    archive & name;
  }
};

struct saved_and_loaded {
  std::string text;

  template <class Archive>
  void save(Archive& archive) const {
    archive << text << std::uint32_t{1};
  }
  template <class Archive>
  void load(Archive& archive) {
    std::uint32_t one = 0;
    archive >> text >> one;
  }
};

struct tree {
  std::string name;
  std::vector<tree> children;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(name, children);
  }
};

struct derived : visit {
  int extra = 0;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(cereal::base_class<visit>(this), extra);
  }
};

struct outside {
  std::string text;
};
template <class Archive>
void serialize(Archive& archive, outside& object) {
  archive(object.text);
}

} // namespace

CEREAL_CLASS_VERSION(versioned, 3)

TEST_CASE("scalars, enumerations, durations and text are described by what their bytes mean") {
  CHECK(schema_of<bool>() == "bool");
  CHECK(schema_of<char>() == "char");
  CHECK(schema_of<std::int8_t>() == "i8");
  CHECK(schema_of<std::uint64_t>() == "u64");
  CHECK(schema_of<unsigned long long>() == schema_of<unsigned long>());
  CHECK(schema_of<float>() == "f32");
  CHECK(schema_of<double>() == "f64");
  CHECK(schema_of<colour>() == "u8");
  CHECK(schema_of<std::chrono::milliseconds>() == "duration<i64, 1/1000>");
  CHECK(schema_of<std::chrono::seconds>() == "duration<i64, 1/1>");
  CHECK(schema_of<std::string>() == "string");
}

TEST_CASE("containers are described by their elements, whatever container it is") {
  CHECK(schema_of<std::vector<std::int32_t>>() == "list<i32>");
  CHECK(schema_of<std::set<std::string>>() == "list<string>");
  CHECK(schema_of<std::map<std::string, std::vector<double>>>() == "map<string, list<f64>>");
  CHECK(schema_of<std::unordered_map<int, bool>>() == "map<i32, bool>");
  CHECK(schema_of<std::array<std::string, 3>>() == "array<string, 3>");
  CHECK(schema_of<std::pair<int, std::string>>() == "{i32, string}");
  CHECK(schema_of<std::tuple<int, std::string, bool>>() == "{i32, string, bool}");
  CHECK(schema_of<std::optional<std::string>>() == "optional<string>");
  CHECK(schema_of<std::variant<std::string, int>>() == "variant<string, i32>");
  CHECK(schema_of<std::shared_ptr<visit>>() == "pointer<" + schema_of<visit>() + ">");
}

TEST_CASE("a class is described by the fields that its cereal functions visit") {
  CHECK(schema_of<visit>() == "{string, count: u64, list<{string, u8}>}");
  CHECK(schema_of<outside>() == "{string}");
  CHECK(schema_of<saved_and_loaded>() == "{string, u32}");
  CHECK(schema_of<derived>() == "{" + schema_of<visit>() + ", i32}");
  CHECK(schema_of<versioned>() == "{string} version 3");
}

TEST_CASE("a trivially copyable type is described by its offsets, or by its size and name") {
  CHECK(schema_of<flat_with_fields>() == "struct<16>{u64@0, u8@8, f32@12}");
  CHECK(schema_of<point>().starts_with("bytes<16, 8> "));
  CHECK(schema_of<point>().ends_with("point"));
  CHECK(schema_of<order_v2>() == "bytes<4, 4> order v2");
  CHECK(schema_of<std::optional<std::int32_t>>() == "struct<8>optional<i32>");
}

TEST_CASE("a type that contains itself has an end") {
  const std::string text = schema_of<tree>();
  CHECK(text.starts_with("{string, list<..."));
  CHECK(text.ends_with("tree>}"));
}
