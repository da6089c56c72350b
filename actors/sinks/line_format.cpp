#include <weir/actors/sinks/line_format.hpp>

#include <streambuf>

namespace weir::detail {

namespace {

class appending_buffer final : public std::streambuf {
 public:
  explicit appending_buffer(std::string& to) : to_(to) {}

 private:
  int_type overflow(int_type c) override {
    if (!traits_type::eq_int_type(c, traits_type::eof()))
      to_.push_back(traits_type::to_char_type(c));
    return traits_type::not_eof(c);
  }
  std::streamsize xsputn(const char* data, std::streamsize size) override {
    to_.append(data, static_cast<std::size_t>(size));
    return size;
  }

  std::string& to_;
};

} // namespace

void append_streamed(std::string& line, const void* value,
                     void (*write)(std::ostream&, const void*)) {
  appending_buffer buffer(line);
  std::ostream out(&buffer);
  write(out, value);
}

} // namespace weir::detail
