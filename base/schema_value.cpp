#include <weir/base/schema_value.hpp>

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>
#include <vector>

#include <weir/base/json_text.hpp>

namespace weir {

namespace {

using form = schema_type::form;

constexpr int deepest_value = 1000;
constexpr std::uint32_t new_pointer = 0x80000000;

__extension__ using u128 = unsigned __int128;

std::string digits_of(u128 number) {
  std::string digits;
  do
    digits.insert(digits.begin(), static_cast<char>('0' + static_cast<int>(number % 10)));
  while ((number /= 10) != 0);
  return digits;
}

/// A number of 1 to 16 bytes, as it lies in memory, in decimal digits.
std::string integer_text(std::string_view data, bool is_signed) {
  const bool is_negative = is_signed && (static_cast<unsigned char>(data.back()) & 0x80) != 0;
  u128 number = is_negative ? ~u128{0} : u128{0};
  std::memcpy(&number, data.data(), data.size());
  return is_negative ? "-" + digits_of(-number) : digits_of(number);
}

/// Whether encode() copies such a value as it lies in memory.
bool is_flat(const schema_type& type) {
  switch (type.what) {
  case form::boolean:
  case form::character:
  case form::integer:
  case form::natural:
  case form::real:
  case form::length:
  case form::time:
  case form::nothing: return true;
  case form::raw: return !type.name.empty();
  case form::array: return type.size != 0 && is_flat(type.parts[0]);
  default: return type.is_struct;
  }
}

/// Reads one value. `out` is null where only its end is looked for.
class value_reader {
 public:
  value_reader(const schema_tree& tree, std::size_t reading) {
    if (tree.has_pointers) {
      shares_pointers_ = reading % 2 == 1;
      reading /= 2;
    }
    for (const schema_tree::self_reference& one : tree.selves) {
      const std::size_t choices = std::max<std::size_t>(1, one.braces.size());
      selves_.emplace_back(one.name, one.braces.empty() ? 0 : one.braces[reading % choices]);
      reading /= choices;
    }
  }

  void read(const schema_type& type, byte_reader& in, std::string* out) {
    if (is_flat(type))
      in_memory(type, in.read_view(type.size), out);
    else
      archived(type, in, out, nullptr);
  }

 private:
  /// The braces that a value is in, for types that contain themselves.
  struct scope {
    const schema_type* type;
    const scope* around;
  };

  static void put(std::string* out, std::string_view text) {
    if (out)
      out->append(text);
  }

  static bool truth(std::string_view byte) { return byte_reader(byte).read_truth(); }

  // As the value lies in memory; `data` has the size of the type, or more.
  void in_memory(const schema_type& type, std::string_view data, std::string* out) {
    if (data.size() < type.size)
      throw malformed_bytes("a part of " + std::to_string(type.size) + " bytes in " + std::to_string(data.size()));
    data = data.substr(0, type.size);
    switch (type.what) {
    case form::array:
      sequence(type.count, out, [&](std::uint64_t i) {
        in_memory(type.parts[0], data.substr(i * type.parts[0].size), out);
      });
      break;
    case form::fields: struct_in_memory(type, data, out); break;
    case form::optional: optional_in_memory(type, data, out); break;
    case form::variant: variant_in_memory(type, data, out); break;
    case form::nothing: put(out, "null"); break;
    default: scalar(type, data, out);
    }
  }

  void scalar(const schema_type& type, std::string_view data, std::string* out) {
    if (type.what == form::boolean) {
      put(out, truth(data) ? "true" : "false");
      return;
    }
    if (!out)
      return;
    switch (type.what) {
    case form::character: append_json_string(*out, data); break;
    case form::integer:
    case form::natural: *out += integer_text(data, type.what == form::integer); break;
    case form::real: real(data, *out); break;
    case form::length: {
      std::string count;
      scalar(type.parts[0], data, &count);
      append_json_string(*out, length_text(count, type.num, type.den));
      break;
    }
    case form::time: {
      std::int64_t count = 0;
      std::memcpy(&count, data.data(), sizeof count);
      append_json_string(*out, time_text(count, type.num, type.den));
      break;
    }
    default: append_json_hex(*out, data);
    }
  }

  static void real(std::string_view data, std::string& out) {
    if (data.size() == sizeof(float)) {
      float number = 0;
      std::memcpy(&number, data.data(), sizeof number);
      append_json_number(out, number);
    } else if (data.size() == sizeof(double)) {
      double number = 0;
      std::memcpy(&number, data.data(), sizeof number);
      append_json_number(out, number);
    } else {
      append_json_hex(out, data);
    }
  }

  void struct_in_memory(const schema_type& type, std::string_view data, std::string* out) {
    std::vector<std::uint64_t> offsets;
    std::uint64_t next = 0;
    bool has_offsets = true;
    for (std::size_t i = 0; i < type.parts.size(); ++i) {
      has_offsets = has_offsets && type.notes[i].offset.has_value();
      offsets.push_back(next);
      next += type.parts[i].size;
    }
    // Fields that are shown by value have no offset. Where they fill the type there is only one place for each.
    const bool are_known = std::ranges::all_of(type.parts, is_flat) && (has_offsets || next == type.size);
    if (!are_known) {
      if (out)
        append_json_hex(*out, data);
      return;
    }
    fields(type, out, [&](std::size_t i) {
      const std::uint64_t offset = has_offsets ? *type.notes[i].offset : offsets[i];
      if (offset > data.size())
        throw malformed_bytes("a field behind the end of its type");
      in_memory(type.parts[i], data.substr(offset), out);
    });
  }

  // The value, then the truth value whether there is one: what libstdc++ and libc++ do.
  void optional_in_memory(const schema_type& type, std::string_view data, std::string* out) {
    const schema_type& part = type.parts[0];
    if (!is_flat(part) || part.size >= data.size())
      throw malformed_bytes("an optional without room for its value");
    if (truth(data.substr(part.size, 1)))
      in_memory(part, data, out);
    else
      put(out, "null");
  }

  // The value, then a byte: which of the types it has.
  void variant_in_memory(const schema_type& type, std::string_view data, std::string* out) {
    std::uint64_t largest = 0;
    for (const schema_type& part : type.parts)
      largest = std::max(largest, part.size);
    if (largest >= data.size())
      throw malformed_bytes("a variant without room for its value");
    const auto index = static_cast<unsigned char>(data[largest]);
    if (index >= type.parts.size() || !is_flat(type.parts[index]))
      throw malformed_bytes("a variant of type number " + std::to_string(index));
    in_memory(type.parts[index], data, out);
  }

  // As cereal writes it.
  void archived(const schema_type& type, byte_reader& in, std::string* out, const scope* around) {
    if (++depth_ > deepest_value)
      throw malformed_bytes("a value that is nested more than " + std::to_string(deepest_value) + " deep");
    const auto part = [&](std::size_t i, std::string* into) { archived(type.parts[i], in, into, around); };
    switch (type.what) {
    case form::string: {
      const std::string_view text = in.read_text();
      if (out)
        append_json_string(*out, text);
      break;
    }
    case form::list: sequence(in.read_size(), out, [&](std::uint64_t) { part(0, out); }); break;
    case form::array:
      if (type.count > in.remaining())
        throw malformed_bytes("an array of " + std::to_string(type.count) + " with only " +
                              std::to_string(in.remaining()) + " bytes left");
      sequence(type.count, out, [&](std::uint64_t) { part(0, out); });
      break;
    case form::map: archived_map(type, in, out, around); break;
    case form::optional:
      if (in.read_truth())
        put(out, "null");
      else
        part(0, out);
      break;
    case form::pointer: pointer(type, in, out, around); break;
    case form::variant: {
      const auto index = in.read_raw<std::uint32_t>();
      if (index >= type.parts.size())
        throw malformed_bytes("a variant of type number " + std::to_string(index));
      part(index, out);
      break;
    }
    case form::fields: {
      read_version(type, in);
      const scope here{&type, around};
      fields(type, out, [&](std::size_t i) { archived(type.parts[i], in, out, &here); });
      break;
    }
    case form::self: self(type, in, out, around); break;
    case form::nothing: put(out, "null"); break;
    case form::unknown:
      throw malformed_bytes("the type " + type.name + " has no description: give it a `serialize` that names its "
                            "fields");
    default: scalar(type, in.read_view(type.size), out);
    }
    --depth_;
  }

  void archived_map(const schema_type& type, byte_reader& in, std::string* out, const scope* around) {
    std::vector<std::pair<std::string, std::string>> entries;
    for (std::size_t left = in.read_size(); left != 0; --left) {
      std::pair<std::string, std::string> entry;
      archived(type.parts[0], in, out ? &entry.first : nullptr, around);
      archived(type.parts[1], in, out ? &entry.second : nullptr, around);
      if (out)
        entries.push_back(std::move(entry));
    }
    if (out)
      append_json_map(*out, entries);
  }

  // A unique_ptr is a byte and its object; a shared_ptr is a number, with the object where it is new.
  void pointer(const schema_type& type, byte_reader& in, std::string* out, const scope* around) {
    if (!shares_pointers_) {
      if (in.read_truth())
        archived(type.parts[0], in, out, around);
      else
        put(out, "null");
      return;
    }
    const auto id = in.read_raw<std::uint32_t>();
    if ((id & new_pointer) == 0) {
      const auto known = shared_.find(id);
      if (id != 0 && known == shared_.end())
        throw malformed_bytes("a reference to a pointer that has not come before");
      put(out, id == 0 || known->second.empty() ? "null" : known->second);
      return;
    }
    if (!shared_.try_emplace(id & ~new_pointer).second)
      throw malformed_bytes("a pointer that comes twice");
    std::string text;
    archived(type.parts[0], in, out ? &text : nullptr, around);
    put(out, text);
    shared_[id & ~new_pointer] = std::move(text);
  }

  // Once in a value, where a class comes for the first time.
  void read_version(const schema_type& type, byte_reader& in) {
    if (!type.version || std::ranges::find(versioned_, type.text) != versioned_.end())
      return;
    versioned_.push_back(type.text);
    if (const auto version = in.read_raw<std::uint32_t>(); version != *type.version)
      throw malformed_bytes("version " + std::to_string(version) + " of a class in version " +
                            std::to_string(*type.version));
  }

  void self(const schema_type& type, byte_reader& in, std::string* out, const scope* around) {
    const auto meant = std::ranges::find(selves_, type.name, &std::pair<std::string, std::uint32_t>::first);
    while (around && (meant == selves_.end() || around->type->brace != meant->second))
      around = around->around;
    if (!around)
      throw malformed_bytes("the type " + type.name + " is not around itself");
    archived(*around->type, in, out, around->around);
  }

  template <class Element>
  static void sequence(std::uint64_t count, std::string* out, Element&& element) {
    put(out, "[");
    for (std::uint64_t i = 0; i < count; ++i) {
      put(out, i == 0 ? "" : ",");
      element(i);
    }
    put(out, "]");
  }

  template <class Field>
  static void fields(const schema_type& type, std::string* out, Field&& field) {
    const bool is_object = std::ranges::any_of(type.notes, [](const auto& note) { return !note.name.empty(); });
    put(out, is_object ? "{" : "[");
    for (std::size_t i = 0; i < type.parts.size(); ++i) {
      put(out, i == 0 ? "" : ",");
      if (is_object && out) {
        append_json_string(*out, type.notes[i].name.empty() ? std::to_string(i) : type.notes[i].name);
        *out += ':';
      }
      field(i);
    }
    put(out, is_object ? "}" : "]");
  }

  bool shares_pointers_ = false;
  std::vector<std::pair<std::string, std::uint32_t>> selves_;
  std::vector<std::string> versioned_;
  std::map<std::uint32_t, std::string> shared_;
  int depth_ = 0;
};

} // namespace

result<value_schema> value_schema::parse(std::string_view text) {
  auto tree = parse_schema(text);
  if (!tree)
    return std::move(tree.failure());
  const auto shared = std::make_shared<const schema_tree>(std::move(*tree));
  return value_schema(shared->root, shared);
}

value_schema value_schema::part(std::size_t i) const {
  return {type_.parts.at(i), tree_};
}

std::size_t value_schema::readings() const noexcept {
  std::size_t count = tree_->has_pointers ? 2 : 1;
  for (const schema_tree::self_reference& one : tree_->selves)
    count *= std::max<std::size_t>(1, one.braces.size());
  return std::min<std::size_t>(count, 64);
}

void value_schema::read(byte_reader& in, std::string* out, std::size_t reading) const {
  value_reader(*tree_, reading).read(type_, in, out);
}

} // namespace weir
