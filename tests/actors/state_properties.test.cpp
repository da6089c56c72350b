#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <actors/state_models.hpp>
#include <support/stateful_run.hpp>

using namespace weir;
using namespace weir::testing;

namespace {

struct key_of_operation {
  std::uint64_t operator()(const state_operation& in) const { return in.key; }
};

/// What happens between the two halves of the operations.
struct change {
  const char* name;
  std::uint32_t before;
  std::uint32_t after; ///< 0: nothing happens
};

constexpr change changes[] = {
    {"no restart", 2, 0}, {"restart", 2, 2}, {"rescale 2 -> 3", 2, 3}, {"rescale 3 -> 1", 3, 1}};

constexpr std::pair<const char*, state_backend> backends[] = {{"memory", state_backend::memory},
                                                              {"directory", state_backend::directory},
                                                              {"lmdb", state_backend::lmdb}};

/// 0 to 14: an operation; 15: time passes; 16: a checkpoint without a restart.
struct step {
  std::uint32_t what;
  std::uint64_t key;
  std::int32_t argument;
};

void showValue(const step& one, std::ostream& out) {
  out << '{' << one.what << ", " << one.key << ", " << one.argument << '}';
}

rc::Gen<step> any_step() {
  return rc::gen::build<step>(rc::gen::set(&step::what, rc::gen::inRange(0u, 17u)),
                              rc::gen::set(&step::key, rc::gen::inRange<std::uint64_t>(0, 12)),
                              rc::gen::set(&step::argument, rc::gen::inRange(0, 1000)));
}

template <class Kind>
class checked_run {
 public:
  checked_run(bool has_life)
      : has_life_(has_life), clock_(std::make_shared<manual_clock>()),
        run_(
            [has_life]() -> std::unique_ptr<operator_base> {
              using op = keyed_process_operator<state_operation, key_of_operation, state_function<Kind>>;
              return std::make_unique<op>(key_of_operation{}, state_function<Kind>{has_life});
            },
            clock_) {}

  void start(state_backend backend, std::uint32_t parallelism) { run_.start(backend, parallelism); }
  void checkpoint() { run_.checkpoint(); }

  void carry_out(const std::vector<step>& steps) {
    for (const step& one : steps) {
      if (one.what == 15) {
        clock_->advance(std::chrono::milliseconds{one.argument % 70});
      } else if (one.what == 16) {
        run_.checkpoint();
      } else {
        const auto seen =
            run_.send(hash_of(one.key), state_operation{one.key, one.what, one.argument});
        RC_ASSERT(seen.size() == 1u);
        RC_ASSERT(seen[0] == model_[one.key].apply(one.what % Kind::operations, one.argument, has_life_,
                                                   clock_->now().time_since_epoch().count()));
      }
    }
  }

 private:
  bool has_life_;
  std::shared_ptr<manual_clock> clock_;
  std::map<std::uint64_t, typename Kind::model> model_;
  stateful_run<state_operation, std::string> run_;
};

/// Every kind of state on every backend, through every change, with and without a time to live. After
/// the change another backend goes on: a checkpoint does not know which one took it.
template <class Kind>
void agrees_with_its_model() {
  ::setenv("RC_PARAMS", "max_success=12 max_size=150", 0); // more by hand
  for (const auto& [backend_name, backend] : backends)
    for (const change& what : changes)
      for (const bool has_life : {false, true}) {
        const std::string title = std::string(Kind::name) + ", " + backend_name + ", " + what.name +
                                  (has_life ? ", with a time to live" : "");
        CAPTURE(title);
        const bool holds = rc::check(title, [&, of = backend, how = what] {
          const auto first = *rc::gen::container<std::vector<step>>(any_step());
          const auto second = *rc::gen::container<std::vector<step>>(any_step());
          const auto next = static_cast<state_backend>(*rc::gen::inRange(0, 3));
          checked_run<Kind> run(has_life);
          run.start(of, how.before);
          run.carry_out(first);
          if (how.after != 0) {
            run.checkpoint();
            run.start(next, how.after);
          }
          run.carry_out(second);
        });
        CHECK(holds);
      }
}

} // namespace

TEST_CASE("value state agrees with its model on every backend, through restarts, rescaling and expiry") {
  agrees_with_its_model<value_kind>();
}
TEST_CASE("list state agrees with its model on every backend, through restarts, rescaling and expiry") {
  agrees_with_its_model<list_kind>();
}
TEST_CASE("map state agrees with its model on every backend, through restarts, rescaling and expiry") {
  agrees_with_its_model<map_kind>();
}
TEST_CASE("reducing state agrees with its model on every backend, through restarts, rescaling and expiry") {
  agrees_with_its_model<reducing_kind>();
}
TEST_CASE("aggregating state agrees with its model on every backend, through restarts, rescaling and expiry") {
  agrees_with_its_model<aggregating_kind>();
}
TEST_CASE("folding state agrees with its model on every backend, through restarts, rescaling and expiry") {
  agrees_with_its_model<folding_kind>();
}
