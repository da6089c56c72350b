#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include <weir/base/error.hpp>
#include <weir/snapshot/checkpoint_store.hpp>

namespace weir {

/// Tells whoever has given an order what has come of it: once, on any thread, and also when nobody is left who could
/// carry it out.
template <class Answer>
class order_answer {
 public:
  order_answer() = default;
  template <class F>
  order_answer(F tell) : state_(std::make_shared<state>(std::move(tell))) {}

  void operator()(Answer answer) const {
    if (!state_)
      return;
    if (const auto tell = std::exchange(state_->tell, nullptr))
      tell(std::move(answer));
  }

 private:
  struct state {
    explicit state(std::function<void(Answer)> how) : tell(std::move(how)) {}
    state(const state&) = delete;
    state& operator=(const state&) = delete;
    ~state() {
      if (tell)
        tell(error{errc::checkpoint, "the job has ended"});
    }
    std::function<void(Answer)> tell;
  };

  std::shared_ptr<state> state_;
};

/// What a running job can be told from outside.
struct job_order {
  enum class kind : std::uint8_t {
    savepoint, ///< take a checkpoint, write it to a file, and go on
    stop,      ///< take a last checkpoint and stop
    cancel,    ///< stop at once; the job can go on from its last complete checkpoint
  };

  /// The savepoint, if one was taken.
  using answer = result<std::optional<completed_checkpoint>>;

  kind what = kind::stop;
  bool drain = false;              ///< of stop: as if all input had ended
  std::filesystem::path savepoint; ///< the file to write; of stop and cancel empty for none
  order_answer<answer> done;
};

} // namespace weir
