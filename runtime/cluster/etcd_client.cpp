#include <weir/runtime/cluster/etcd_client.hpp>

#include <algorithm>
#include <chrono>
#include <exception>
#include <optional>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

#include <sys/socket.h>

#include <weir/base/units.hpp>
#include <weir/runtime/cluster/network.hpp>

namespace weir {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;

constexpr std::string_view scheme = "etcd://";
constexpr std::size_t largest_answer = std::size_t{4} << 20;

duration until(time_point deadline) {
  return deadline - std::chrono::steady_clock::now();
}

asio::ip::tcp family_of(const file_descriptor& socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  ::getsockname(socket.number(), reinterpret_cast<sockaddr*>(&address), &size);
  return address.ss_family == AF_INET6 ? asio::ip::tcp::v6() : asio::ip::tcp::v4();
}

/// One request and its answer over a connection that is there.
result<etcd_client::answer> exchange(file_descriptor connected, const tcp_address& member, const std::string& path,
                                     const std::string& body, time_point deadline) {
  asio::io_context context;
  beast::tcp_stream stream(context);
  const asio::ip::tcp family = family_of(connected);
  stream.socket().assign(family, connected.release());
  http::request<http::string_body> request(http::verb::post, path, 11);
  request.set(http::field::host, to_string(member));
  request.set(http::field::content_type, "application/json");
  request.keep_alive(false);
  request.body() = body;
  request.prepare_payload();
  beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(largest_answer);
  std::optional<beast::error_code> outcome;
  stream.expires_at(deadline);
  http::async_write(stream, request, [&](beast::error_code written, std::size_t) {
    if (written) {
      outcome = written;
      return;
    }
    http::async_read(stream, buffer, parser, [&](beast::error_code read, std::size_t) { outcome = read; });
  });
  context.run();
  if (!outcome || *outcome)
    return error{errc::io, to_string(member) + ": " + (outcome ? outcome->message() : "no answer")};
  return etcd_client::answer{parser.get().result_int(), std::move(parser.get().body())};
}

} // namespace

result<std::vector<tcp_address>> parse_etcd_members(std::string_view text) {
  const auto wrong = [&] {
    return error{errc::invalid_setting, "expected etcd://HOST:PORT, or several: etcd://HOST:PORT,HOST:PORT,HOST:PORT; "
                                        "found " + in_quotes(text)};
  };
  if (!text.starts_with(scheme))
    return wrong();
  std::vector<tcp_address> members;
  for (std::string_view rest = text.substr(scheme.size());;) {
    const std::size_t comma = rest.find(',');
    auto member = parse_tcp_address(rest.substr(0, comma));
    if (!member || member->host.empty() || member->port == 0)
      return wrong();
    members.push_back(std::move(*member));
    if (comma == std::string_view::npos)
      return members;
    rest.remove_prefix(comma + 1);
  }
}

etcd_client::etcd_client(std::vector<tcp_address> members, duration patience)
    : members_(std::move(members)), patience_(patience) {}

result<etcd_client::answer> etcd_client::post(const std::string& path, const std::string& body, time_point deadline) {
  const std::size_t first = first_;
  std::string problems;
  for (std::size_t i = 0; i < members_.size() && until(deadline) > duration::zero(); ++i) {
    const std::size_t number = (first + i) % members_.size();
    const tcp_address& member = members_[number];
    const time_point enough = i + 1 == members_.size()
                                  ? deadline
                                  : std::min(deadline, std::chrono::steady_clock::now() + patience_);
    const auto ask = [&]() -> result<answer> {
      auto connected = connect_to(member, until(enough), "start etcd there");
      if (!connected)
        return std::move(connected.failure());
      try {
        return exchange(std::move(*connected), member, path, body, enough);
      } catch (const std::exception& why) { // the socket cannot be used, or there is no memory
        return error{errc::io, to_string(member) + ": " + why.what()};
      }
    };
    auto answered = ask();
    if (answered && answered->code < 500) {
      first_ = number;
      return answered;
    }
    // It may be without a leader, or no etcd at all.
    problems += (problems.empty() ? "" : "; ") +
                (answered ? to_string(member) + ": HTTP code " + std::to_string(answered->code) + ", " +
                                in_quotes(std::string_view{answered->body}.substr(0, 200))
                          : answered.failure().message);
  }
  return error{errc::io, "etcd has not answered " + path + ": " + (problems.empty() ? "no time was left" : problems)};
}

} // namespace weir
