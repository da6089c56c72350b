#include <weir/base/caf.hpp>

#include <algorithm>
#include <thread>

#if CAF_VERSION < 10000
#  include <weir/base/thread_pool.hpp>
#endif

namespace weir {

#if CAF_VERSION < 10000
void detail::send_later(caf::execution_unit* where, caf::actor_system& system,
                        std::chrono::steady_clock::time_point due, caf::strong_actor_ptr receiver,
                        caf::mailbox_element_ptr content) {
  if (!send_later_in_pool(where, due, receiver, content))
    system.clock().schedule_message(due, std::move(receiver), std::move(content));
}
#endif

actor_configuration::actor_configuration(std::size_t threads) {
  if (threads == 0)
    threads = std::max(1u, std::thread::hardware_concurrency());
  constexpr std::size_t messages_per_turn = 4;
#if CAF_VERSION < 10000
  load<thread_pool>();
  set("scheduler.max-threads", threads);
  set("scheduler.max-throughput", messages_per_turn);
#else
  set("caf.scheduler.policy", "sharing");
  set("caf.scheduler.max-threads", threads);
  set("caf.scheduler.max-throughput", messages_per_turn);
#endif
}

} // namespace weir
