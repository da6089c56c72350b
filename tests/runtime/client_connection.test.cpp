#include <doctest/doctest.h>

#include <chrono>
#include <string>

#include <caf/scoped_actor.hpp>

#include <weir/runtime/cluster/client_connection.hpp>
#include <weir/runtime/cluster/network.hpp>
#include <weir/runtime/cluster/worker_registry.hpp>

using namespace weir;
using namespace std::chrono_literals;

TEST_CASE("what a client says is text with a version in front, and nothing else is taken for it") {
  const auto read = read_client_text(encoded_client_text({7, "{\"a\":\n1}"}));
  REQUIRE(read);
  CHECK(read->version == 7);
  CHECK(read->text == "{\"a\":\n1}");
  for (const char* other : {"", "weir-client", "weir-client ", "weir-client 1", "weir-client x\n{}", "weir-clients 1\n{}",
                            "weir-client 99999999999999999999999\n{}"})
    CHECK(!read_client_text(other));
}

// What an actor that is none of Weir's is sent looks like a race to ThreadSanitizer: CAF's library hands it over.
#if !defined(__SANITIZE_THREAD__)

namespace {

registry_setup some_setup() {
  registry_setup made;
  made.job = "counting";
  return made;
}

/// What a registry answers to a greeting: the first message that is not empty; nothing within ten seconds is "".
std::string answer_to(caf::scoped_actor& self, const caf::actor& registry, const bytes& greeting) {
  tell(*self, registry, bytes(greeting));
  std::string answer;
  for (bool is_over = false; answer.empty() && !is_over;)
    self->receive([&](const bytes& message) { answer = message; }, caf::after(10s) >> [&] { is_over = true; });
  return answer;
}

} // namespace

TEST_CASE("a coordinator answers its clients, unless they speak another version or the job does not listen") {
  actor_configuration configuration(2);
  caf::actor_system system(configuration);
  const caf::actor registry = spawn_actor<worker_registry_actor>(system, some_setup());
  caf::scoped_actor self{system};
  const bytes request = encoded_client_text({client_version, "{}"});
  CHECK(answer_to(self, registry, request).find("the job starts") != std::string::npos);
  tell(*self, registry, serve_clients{[](const std::string& text) { return "so " + text; }});
  CHECK(answer_to(self, registry, request) == encoded_client_text({client_version, "so {}"}));
  const std::string refused = answer_to(self, registry, encoded_client_text({client_version + 1, "{}"}));
  CHECK(refused.find("\"ok\":false") != std::string::npos);
  CHECK(refused.find("use the program weir of the job's version") != std::string::npos);
  const caf::actor other = spawn_actor<worker_registry_actor>(system, some_setup());
  tell(*self, other, serve_clients{[](const std::string&) -> std::string { throw std::string("thrown"); }});
  CHECK(answer_to(self, other, request).find("could not be handled") != std::string::npos);
  for (const caf::actor& one : {registry, other})
    kill_actor(one);
}

#endif
