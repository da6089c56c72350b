#pragma once

#include <future>
#include <memory>
#include <string>
#include <utility>

#include <weir/base/caf.hpp>
#include <weir/runtime/job_order.hpp>
#include <weir/runtime/job_status.hpp>

namespace weir {

/// A way to tell a running job what to do, or to ask it. Every order is answered, also when the job ends meanwhile or
/// has ended.
///
/// Ownership:     may be copied; must be gone before the job's actor system is.
/// Thread safety: any thread.
class job_access {
 public:
  job_access(std::string name, caf::actor supervisor) : name_(std::move(name)), supervisor_(std::move(supervisor)) {}

  /// Of the job.
  const std::string& name() const noexcept { return name_; }

  void tell(job_order order) const;
  void tell(rescale_order order) const;
  void tell(status_order order) const;

  /// Gives an order and waits for what comes of it.
  template <class Order>
  typename Order::answer ask(Order order) const {
    // Shared, since whoever sets the value may still be busy with it when it has been read.
    const auto answered = std::make_shared<std::promise<typename Order::answer>>();
    order.done = {[answered](typename Order::answer answer) { answered->set_value(std::move(answer)); }};
    tell(std::move(order));
    return answered->get_future().get();
  }

 private:
  std::string name_;
  caf::actor supervisor_;
};

} // namespace weir
