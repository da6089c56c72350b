#include <weir/runtime/settings_file.hpp>

#include <cerrno>
#include <fstream>
#include <iterator>
#include <string_view>
#include <system_error>

#include <toml++/toml.h>

#include <weir/base/error.hpp>
#include <weir/base/units.hpp>

namespace weir {

namespace {

std::string place_in(const std::string& file, const toml::source_position& position) {
  return file + ":" + std::to_string(position.line) + ":" + std::to_string(position.column);
}

std::string_view kind_of(const toml::node& node) {
  switch (node.type()) {
  case toml::node_type::array:
    return "an array";
  case toml::node_type::date:
    return "a date";
  case toml::node_type::time:
    return "a time of day";
  case toml::node_type::date_time:
    return "a date and time";
  default:
    return "a value of another kind";
  }
}

class flattener {
 public:
  flattener(const std::string& file, settings_file& out) : file_(file), out_(out) {}

  void add_table(const toml::table& table, const std::string& prefix) {
    for (auto&& [key, node] : table) {
      const std::string name = prefix + std::string{key.str()};
      const std::string key_place = place_in(file_, key.source().begin);
      const toml::table* inner = node.as_table();
      if (inner == nullptr)
        add_value(name, key_place, node);
      else if (inner->empty())
        out_.entries.push_back({name, {}, key_place, key_place, true});
      else
        add_table(*inner, name + ".");
    }
  }

 private:
  void add_value(const std::string& key, const std::string& key_place, const toml::node& node) {
    settings_file_entry entry{key, {}, key_place, place_in(file_, node.source().begin)};
    if (const auto* text = node.as_string())
      entry.text = text->get();
    else if (const auto* integer = node.as_integer())
      entry.text = std::to_string(integer->get());
    else if (const auto* number = node.as_floating_point())
      entry.text = real_text(number->get());
    else if (const auto* truth = node.as_boolean())
      entry.text = boolean_text(truth->get());
    else {
      out_.problems.push_back(entry.place + ": " + key +
                              ": expected a string, a number, true or false, found " +
                              std::string{kind_of(node)});
      return;
    }
    out_.entries.push_back(std::move(entry));
  }

  const std::string& file_;
  settings_file& out_;
};

} // namespace

settings_file read_settings_file(const std::filesystem::path& path) {
  settings_file out;
  const std::string file = path.string();
  std::error_code ignored;
  errno = std::filesystem::is_directory(path, ignored) ? EISDIR : 0;
  std::ifstream in;
  if (errno == 0)
    in.open(path, std::ios::binary);
  if (errno != 0 || !in) {
    out.problems.push_back("settings file " + in_quotes(file) +
                           " cannot be read: " + errno_text(errno));
    return out;
  }
  const std::string text{std::istreambuf_iterator<char>{in}, {}};
  try {
    const toml::table table = toml::parse(text, file);
    flattener(file, out).add_table(table, {});
  } catch (const toml::parse_error& failure) {
    out.problems.push_back(place_in(file, failure.source().begin) +
                           ": not valid TOML: " + std::string{failure.description()});
  }
  return out;
}

} // namespace weir
