#pragma once

#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include <caf/actor.hpp>
#include <caf/actor_cast.hpp>
#include <caf/actor_clock.hpp>
#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/behavior.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/exit_reason.hpp>
#include <caf/mailbox_element.hpp>
#include <caf/sec.hpp>
#include <caf/send.hpp>
#include <caf/spawn_options.hpp>

#if defined(__SANITIZE_THREAD__)
#  include <sanitizer/tsan_interface.h>
#endif

#include <weir/base/clock.hpp>

/// \file
/// Everything of CAF that differs between its versions 0.17 and 1.x, behind one set of names. Actors
/// derive from caf::event_based_actor and use nothing else that depends on the version.

#if CAF_VERSION < 10000

/// Declares a type that is sent between actors of one process. At global scope.
#  define WEIR_LOCAL_MESSAGE(type) CAF_ALLOW_UNSAFE_MESSAGE_TYPE(type)

/// Frames the declarations of one protocol.hpp; `first_id` must not overlap with another protocol.
#  define WEIR_BEGIN_MESSAGES(name, first_id)
#  define WEIR_END_MESSAGES(name)

#else

#  include <caf/init_global_meta_objects.hpp>
#  include <caf/type_id.hpp>

#  define WEIR_BEGIN_MESSAGES(name, first_id) CAF_BEGIN_TYPE_ID_BLOCK(name, first_id)
#  define WEIR_END_MESSAGES(name) CAF_END_TYPE_ID_BLOCK(name)
#  define WEIR_LOCAL_MESSAGE(type)                                                                 \
    CAF_ADD_TYPE_ID(weir, (type))                                                                  \
    CAF_ALLOW_UNSAFE_MESSAGE_TYPE(type)

#endif

namespace weir {

namespace detail {

// CAF hands messages from thread to thread inside its library, which ThreadSanitizer does not see
// into where the library is not built with it. These tell it what the hand-over guarantees: what was
// done before a message was sent is seen by whoever handles it.
#if defined(__SANITIZE_THREAD__)
inline void note_sent(void* receiver) {
  __tsan_release(receiver);
}
inline void note_received(void* receiver) {
  __tsan_acquire(receiver);
}
#else
inline void note_sent(void*) {}
inline void note_received(void*) {}
#endif

#if CAF_VERSION < 10000
/// Lets one of the scheduler's threads send `content` when it is due, or CAF's clock where the sender has a thread of
/// its own.
void send_later(caf::execution_unit* where, caf::actor_system& system, std::chrono::steady_clock::time_point due,
                caf::strong_actor_ptr receiver, caf::mailbox_element_ptr content);
#endif

} // namespace detail

/// The base of all of Weir's actors.
class actor_base : public caf::event_based_actor {
 public:
  using caf::event_based_actor::event_based_actor;

#if defined(__SANITIZE_THREAD__) && CAF_VERSION < 10000
  resume_result resume(caf::execution_unit* where, std::size_t messages) override {
    detail::note_received(static_cast<caf::abstract_actor*>(this));
    return caf::event_based_actor::resume(where, messages);
  }
  caf::invoke_message_result consume(caf::mailbox_element& message) override {
    detail::note_received(static_cast<caf::abstract_actor*>(this));
    auto outcome = caf::event_based_actor::consume(message);
    detail::note_sent(static_cast<caf::abstract_actor*>(this)); // to the thread that runs it next
    return outcome;
  }
#endif
};

/// Starts an actor of type T. It runs from its first message on.
template <class T, class... Args>
caf::actor spawn_actor(caf::actor_system& system, Args&&... args) {
  return system.spawn<T, caf::lazy_init>(std::forward<Args>(args)...);
}

/// Starts an actor with a thread of its own, for what blocks.
template <class T, class... Args>
caf::actor spawn_detached(caf::actor_system& system, Args&&... args) {
  return system.spawn<T, caf::detached>(std::forward<Args>(args)...);
}

/// Sends `message` to `to`, in the order of the calls; to nobody if that is null.
template <class Self, class Message>
void tell(Self& self, const caf::actor& to, Message&& message) {
#if CAF_VERSION < 10000
  if (!to)
    return;
  auto* receiver = caf::actor_cast<caf::abstract_actor*>(to);
  auto element = caf::make_mailbox_element(self.ctrl(), caf::make_message_id(), {},
                                           std::forward<Message>(message));
  detail::note_sent(receiver);
  receiver->enqueue(std::move(element), self.context());
#else
  self.mail(std::forward<Message>(message)).send(to);
#endif
}

/// Sends `message` to the actor itself after `delay`.
template <class Self, class Message>
void tell_self_later(Self& self, duration delay, Message&& message) {
#if CAF_VERSION < 10000
  auto element = caf::make_mailbox_element(self.ctrl(), caf::make_message_id(), {},
                                           std::forward<Message>(message));
  detail::note_sent(static_cast<caf::abstract_actor*>(&self));
  detail::send_later(self.context(), self.system(), std::chrono::steady_clock::now() + delay,
                     caf::strong_actor_ptr{self.ctrl()}, std::move(element));
#else
  self.mail(std::forward<Message>(message)).delay(delay).send(caf::actor_cast<caf::actor>(&self));
#endif
}

/// Sends from outside of any actor.
template <class Message>
void tell_anonymously(const caf::actor& to, Message&& message) {
#if CAF_VERSION < 10000
  if (!to)
    return;
  auto* receiver = caf::actor_cast<caf::abstract_actor*>(to);
  auto element = caf::make_mailbox_element(nullptr, caf::make_message_id(), {},
                                           std::forward<Message>(message));
  detail::note_sent(receiver);
  receiver->enqueue(std::move(element), nullptr);
#else
  caf::anon_mail(std::forward<Message>(message)).send(to);
#endif
}

/// Ends `actor` as if it had been killed: what tests do to tasks.
inline void kill_actor(const caf::actor& actor) {
  caf::anon_send_exit(actor, caf::exit_reason::kill);
}

/// Calls handler(which, reason as text) when an actor given to watch() has ended.
template <class Self>
void on_watched_end(Self& self, std::function<void(caf::actor_addr, std::string)> handler) {
#if CAF_VERSION < 10000
  self.set_down_handler([handler = std::move(handler), &self](caf::down_msg& down) {
    handler(down.source, self.system().render(down.reason));
  });
#else
  self.set_down_handler([handler = std::move(handler)](caf::down_msg& down) {
    handler(down.source, caf::to_string(down.reason));
  });
#endif
}

/// Asks to be told when `actor` ends.
template <class Self>
void watch(Self& self, const caf::actor& actor) {
  self.monitor(actor);
}

/// Calls handler() inside the handling of an exception that left one of the actor's functions, which
/// then ends the actor: `throw;` gives the exception.
template <class Self>
void on_exception(Self& self, std::function<void()> handler) {
  self.set_exception_handler([handler = std::move(handler)](std::exception_ptr& failure) {
    try {
      std::rethrow_exception(failure);
    } catch (...) {
      handler();
    }
    return caf::make_error(caf::sec::runtime_error);
  });
}

/// Keeps an actor alive when a message that it does not know arrives, and drops the message: by
/// default CAF answers with an error that ends the sender.
template <class Self>
void ignore_unknown_messages(Self& self) {
  self.set_default_handler(caf::drop);
  self.set_error_handler([](caf::error&) {});
}

/// The configuration of the actor system: `threads` scheduled threads (0: one per core).
///
/// One shared queue instead of work stealing: it keeps both ends of a channel busy (with CAF 0.17 that of
/// thread_pool.hpp). An actor gives way to others after a few messages, so that sources do not starve what
/// they feed.
class actor_configuration : public caf::actor_system_config {
 public:
  explicit actor_configuration(std::size_t threads);
};

} // namespace weir
