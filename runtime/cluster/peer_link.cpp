#include <weir/runtime/cluster/peer_link.hpp>

#include <chrono>
#include <utility>

#include <weir/actors/operator_error.hpp>
#include <weir/runtime/cluster/protocol.hpp>

namespace weir {

peer_link_actor::peer_link_actor(caf::actor_config& setup, const cluster_config& config, link_setup what,
                                 caf::actor worker, caf::actor pulse)
    : actor_base(setup), setup_(std::move(what)), timeout_(config.timeout), time_between_looks_(config.heartbeat),
      worker_(std::move(worker)), pulse_(std::move(pulse)) {
  ignore_unknown_messages(*this);
  on_exception(*this, [this] { lose("what is sent there could not be handled: " + current_exception_text()); });
}

caf::behavior peer_link_actor::make_behavior() {
  return {
      [this](batch_sent& sent) { take(sent); },
      [this](marker_sent& sent) { take(sent); },
      [this](credit_returned& back) { take(back); },
      [this](flush_frames) {
        is_flush_due_ = false;
        if (stream_)
          stream_->flush();
      },
      [this](begin_connection) { begin(); },
      [this](find_due) { look_for_peer(); },
      [this](const peer_connected& fact) { connect(fact.stream); },
      [this](const stream_lost& fact) { lose(fact.reason); },
      [this](const written_batch& came) { pass_on(came); },
      [this](const written_marker& came) {
        const linked_channel& to = setup_.channels.at(came.channel);
        tell(*this, to.task, marker_sent{to.channel, came.what});
      },
  };
}

void peer_link_actor::begin() {
  if (setup_.greeting.worker > setup_.peer.worker)
    return;
  look_until_ = std::chrono::steady_clock::now() + timeout_;
  look_for_peer();
}

/// A port that many connect to may close a connection that it should not: that is no reason to give up yet.
void peer_link_actor::look_for_peer() {
  auto connected = connect_link(system(), {setup_.peer.host, setup_.peer.port}, timeout_, "the worker there has ended",
                                setup_.greeting);
  if (!connected && std::chrono::steady_clock::now() < look_until_)
    return tell_self_later(*this, time_between_looks_, find_due{});
  if (!connected)
    return lose(connected.failure().message);
  auto stream = std::make_shared<link_stream>(system(), std::move(*connected));
  tell(*this, pulse_, keep_beating{stream});
  connect(std::move(stream));
}

void peer_link_actor::connect(std::shared_ptr<link_stream> stream) {
  if (stream_ || is_lost_)
    return;
  stream_ = std::move(stream);
  stream_->start(setup_.channels, caf::actor_cast<caf::actor>(this), timeout_);
  for (message& what : std::exchange(waiting_, {}))
    std::visit([this](auto& one) { take(one); }, what);
}

template <class Message>
void peer_link_actor::take(Message& what) {
  if (is_lost_)
    return;
  if (!stream_) {
    waiting_.emplace_back(std::move(what));
    return;
  }
  send(what);
  if (!std::exchange(is_flush_due_, true))
    tell(*this, caf::actor_cast<caf::actor>(this), flush_frames{}); // behind the messages that are there already
}

void peer_link_actor::send(batch_sent& sent) {
  stream_->send_batch(sent.channel, *setup_.channels.at(sent.channel).codec, std::move(sent.records));
}

void peer_link_actor::send(const marker_sent& sent) {
  stream_->send_marker(sent.channel, sent.what);
}

void peer_link_actor::send(credit_returned& back) {
  stream_->send_credit(back.channel, *setup_.channels.at(back.channel).codec, std::move(back.emptied));
}

/// With markers behind it, in their order.
void peer_link_actor::pass_on(const written_batch& came) {
  if (is_lost_)
    return;
  const linked_channel& to = setup_.channels.at(came.channel);
  try {
    byte_reader in(came.records);
    tell(*this, to.task, batch_sent{to.channel, to.codec->read(in)});
  } catch (...) {
    lose("what it sent could not be handled: " + current_exception_text());
  }
}

void peer_link_actor::lose(const std::string& reason) {
  if (std::exchange(is_lost_, true))
    return;
  waiting_.clear();
  tell(*this, worker_, link_lost{setup_.greeting.attempt, setup_.peer.name, reason});
}

void peer_link_actor::on_exit() {
  if (stream_)
    std::exchange(stream_, nullptr)->close();
  setup_.channels.clear();
  waiting_.clear();
  worker_ = pulse_ = nullptr;
}

link_pulse_actor::link_pulse_actor(caf::actor_config& setup, duration interval) : actor_base(setup), interval_(interval) {
  ignore_unknown_messages(*this);
}

caf::behavior link_pulse_actor::make_behavior() {
  return {
      [this](keep_beating& what) {
        if (streams_.empty())
          tell_self_later(*this, interval_, heartbeat_due{});
        what.stream->beat();
        streams_.push_back(std::move(what.stream));
      },
      [this](beat_every how) { interval_ = how.interval; },
      [this](heartbeat_due) { beat(); },
  };
}

void link_pulse_actor::beat() {
  std::erase_if(streams_, [](const std::weak_ptr<link_stream>& one) {
    const auto stream = one.lock();
    if (stream)
      stream->beat();
    return !stream;
  });
  if (!streams_.empty())
    tell_self_later(*this, interval_, heartbeat_due{});
}

} // namespace weir
