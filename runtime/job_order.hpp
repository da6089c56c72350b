#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include <weir/base/clock.hpp>
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

/// What has come of a rescale_order.
struct rescale_outcome {
  std::uint32_t before = 0; ///< the parallelism until then
  std::uint32_t after = 0;
  std::optional<completed_checkpoint> checkpoint; ///< that it went on from; nothing where nothing had to change
  duration pause{}; ///< from when sources were told to read no more until all tasks ran again
};

/// Tells a running job to go on with another parallelism.
struct rescale_order {
  using answer = result<rescale_outcome>;

  std::uint32_t parallelism = 0; ///< of the operators that do not set their own
  order_answer<answer> done;
};

} // namespace weir
