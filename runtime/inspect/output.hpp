#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weir {

/// What the program says on standard output.
///
/// When the reader has gone (`| head`) the rest is dropped, and the program ends quietly: whoever writes much looks
/// at is_wanted() now and then.
class output {
 public:
  ~output() { flush(); }

  void write(std::string_view text);
  void flush();

  bool is_wanted() const noexcept { return !is_closed_; }

  /// A failure that is not that of a reader who has gone: of a full disk, say.
  int failure() const noexcept { return failure_; }

 private:
  std::string buffer_;
  bool is_closed_ = false;
  int failure_ = 0;
};

/// Rows of text in columns. The last one is as long as it is.
class text_table {
 public:
  explicit text_table(std::vector<std::string> heads) { rows_.push_back(std::move(heads)); }

  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  std::string text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

/// An object of JSON, member by member.
class json_object {
 public:
  json_object& add(std::string_view name, std::string_view text);
  json_object& add(std::string_view name, std::uint64_t number);
  json_object& add_json(std::string_view name, std::string_view json);
  std::string text() const { return text_ + "}"; }

 private:
  std::string text_ = "{";
};

/// "[a,b]" of members that are JSON.
std::string json_array(const std::vector<std::string>& members);

/// "1.4 MiB"
std::string rounded_size(std::uint64_t bytes);

/// A field of a CSV file (RFC 4180) from a value in JSON: strings as they are, all else as JSON.
std::string csv_field(const std::string& json);

} // namespace weir
