#include <weir/base/schema_type.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <stdexcept>
#include <utility>

#include <weir/base/units.hpp>

namespace weir {

namespace {

using form = schema_type::form;

struct not_in_notation : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct scalar {
  std::string_view name;
  form what;
  std::uint64_t size;
};
constexpr scalar scalars[] = {
    {"bool", form::boolean, 1}, {"char", form::character, 1}, {"i8", form::integer, 1},  {"i16", form::integer, 2},
    {"i32", form::integer, 4},  {"i64", form::integer, 8},    {"i128", form::integer, 16}, {"u8", form::natural, 1},
    {"u16", form::natural, 2},  {"u32", form::natural, 4},    {"u64", form::natural, 8},  {"u128", form::natural, 16},
    {"f32", form::real, 4},     {"f64", form::real, 8},       {"f128", form::real, 16}};

constexpr int deepest = 200;

class parser {
 public:
  explicit parser(std::string_view text) : text_(text) {}

  schema_tree parse() {
    schema_tree tree;
    tree.root = type();
    if (at_ != text_.size())
      fail("the end");
    tree.selves = std::move(selves_);
    tree.has_pointers = has_pointers_;
    return tree;
  }

 private:
  [[noreturn]] void fail(const std::string& expected) const {
    throw not_in_notation("expected " + expected + " at character " + std::to_string(at_ + 1));
  }

  std::string_view rest() const { return text_.substr(at_); }
  bool take(std::string_view word) {
    if (!rest().starts_with(word))
      return false;
    at_ += word.size();
    return true;
  }
  void expect(std::string_view word) {
    if (!take(word))
      fail(in_quotes(word));
  }

  std::uint64_t number() {
    std::uint64_t value = 0;
    const auto [end, code] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
    if (code != std::errc{})
      fail("a number");
    at_ = static_cast<std::size_t>(end - text_.data());
    return value;
  }

  // A name of the user's or the compiler's: up to what closes the type around it.
  std::string type_name() {
    constexpr std::string_view open = "<({[", close = ">)}]";
    const std::size_t start = at_;
    int depth = 0;
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (depth == 0 && (c == ',' || close.find(c) != close.npos || is_offset()))
        break;
      depth += open.find(c) != open.npos;
      depth -= close.find(c) != close.npos;
    }
    if (at_ == start)
      fail("a type");
    return std::string(text_.substr(start, at_ - start));
  }

  bool is_offset() const {
    const std::string_view after = rest();
    std::size_t end = 1;
    while (end < after.size() && after[end] >= '0' && after[end] <= '9')
      ++end;
    return after.starts_with('@') && end > 1 && (end == after.size() || after[end] == ',' || after[end] == '}');
  }

  schema_type type() {
    if (++depth_ > deepest)
      fail("a type that is less deep");
    schema_type made = take("struct<") ? in_memory() : plain();
    --depth_;
    return made;
  }

  schema_type in_memory() {
    const std::uint64_t size = number();
    expect(">");
    schema_type made = plain();
    if (made.what != form::fields && made.what != form::optional && made.what != form::variant)
      fail("fields, optional or variant");
    made.is_struct = true;
    made.size = size;
    return made;
  }

  schema_type plain() {
    for (const scalar& one : scalars)
      if (is_word(one.name)) {
        at_ += one.name.size();
        return simple(one.what, one.size);
      }
    if (is_word("string")) {
      at_ += 6;
      return simple(form::string, 0);
    }
    if (take("duration<"))
      return duration();
    for (const auto& [name, what] : {std::pair{"list<", form::list}, {"map<", form::map}, {"optional<", form::optional},
                                     {"pointer<", form::pointer}, {"variant<", form::variant}})
      if (take(name))
        return generic(what);
    if (take("array<"))
      return array();
    if (take("bytes<"))
      return raw_bytes();
    if (rest().starts_with('{'))
      return fields();
    if (take("..."))
      return self();
    schema_type made;
    made.name = type_name();
    return made;
  }

  bool is_word(std::string_view word) const {
    const std::string_view after = rest();
    return after.starts_with(word) &&
           (after.size() == word.size() || std::string_view(",>}@").find(after[word.size()]) != std::string_view::npos);
  }

  static schema_type simple(form what, std::uint64_t size) {
    schema_type made;
    made.what = what;
    made.size = size;
    return made;
  }

  schema_type duration() {
    schema_type made = simple(form::length, 0);
    made.parts.push_back(type());
    made.size = made.parts[0].size;
    if (made.size == 0 || made.parts[0].what == form::boolean || made.parts[0].what == form::character)
      fail("the type of a number");
    expect(", ");
    made.num = static_cast<std::int64_t>(number());
    expect("/");
    made.den = static_cast<std::int64_t>(number());
    expect(">");
    return made;
  }

  schema_type generic(form what) {
    schema_type made = simple(what, 0);
    made.parts.push_back(type());
    while (take(", "))
      made.parts.push_back(type());
    expect(">");
    has_pointers_ |= what == form::pointer;
    const std::size_t wanted = what == form::map ? 2 : what == form::variant ? made.parts.size() : 1;
    if (made.parts.size() != wanted)
      fail(std::to_string(wanted) + " types before");
    return made;
  }

  schema_type array() {
    schema_type made = simple(form::array, 0);
    made.parts.push_back(type());
    expect(", ");
    made.count = number();
    expect(">");
    const std::uint64_t element = made.parts[0].size;
    if (element != 0 && made.count <= std::uint64_t{0xFFFFFFFF} / element)
      made.size = element * made.count;
    return made;
  }

  schema_type raw_bytes() {
    schema_type made = simple(form::raw, number());
    if (take(">"))
      return made;
    expect(", ");
    number();
    expect("> ");
    made.name = type_name();
    if (made.name == "std::monostate" && made.size == 1)
      made.what = form::nothing;
    else if (made.size == 8)
      recognize_time(made);
    return made;
  }

  // "std::chrono::time_point<std::chrono::_V2::system_clock, std::chrono::duration<long int, std::ratio<1, 1000> > >"
  static void recognize_time(schema_type& made) {
    const std::string_view name = made.name;
    if (!name.starts_with("std::chrono::time_point<") || name.find("system_clock") == name.npos ||
        name.find("::duration<double") != name.npos)
      return;
    if (name.find("::duration<") == name.npos) { // the clock's own
      made.den = 1000000000;
    } else if (const std::size_t ratio = name.find("ratio<"); ratio != name.npos) {
      const char* const end = name.data() + name.size();
      const auto num = std::from_chars(name.data() + ratio + 6, end, made.num);
      const char* second = num.ptr;
      while (second != end && (*second == ',' || *second == ' ' || *second == 'l' || *second == 'L'))
        ++second;
      if (num.ec != std::errc{})
        return;
      std::from_chars(second, end, made.den);
    }
    made.what = form::time;
  }

  schema_type fields() {
    const std::size_t start = at_;
    expect("{");
    schema_type made = simple(form::fields, 0);
    made.brace = ++braces_;
    open_.push_back(made.brace);
    while (!take("}")) {
      if (!made.parts.empty())
        expect(", ");
      schema_type::field_note& note = made.notes.emplace_back();
      note.name = field_name();
      made.parts.push_back(type());
      if (take("@"))
        note.offset = number();
    }
    open_.pop_back();
    if (take(" version ")) {
      made.version = static_cast<std::uint32_t>(number());
      made.text = text_.substr(start, at_ - start);
    }
    return made;
  }

  std::string field_name() {
    const std::string_view after = rest();
    const std::size_t end = after.find_first_of(",<>{}@");
    const std::size_t colon = after.substr(0, end).find(": ");
    if (colon == after.npos || colon == 0)
      return {};
    at_ += colon + 2;
    return std::string(after.substr(0, colon));
  }

  schema_type self() {
    schema_type made = simple(form::self, 0);
    made.name = type_name();
    const auto is_it = [&](const schema_tree::self_reference& one) { return one.name == made.name; };
    if (std::ranges::none_of(selves_, is_it))
      selves_.push_back({made.name, {open_.rbegin(), open_.rend()}});
    return made;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int depth_ = 0;
  std::uint32_t braces_ = 0;
  std::vector<std::uint32_t> open_;
  std::vector<schema_tree::self_reference> selves_;
  bool has_pointers_ = false;
};

} // namespace

result<schema_tree> parse_schema(std::string_view text) {
  try {
    return parser(text).parse();
  } catch (const not_in_notation& problem) {
    return error{errc::wrong_version,
                 "the type " + in_quotes(text) + " is not described as this version does: " + problem.what()};
  }
}

} // namespace weir
