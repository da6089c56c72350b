#include <weir/runtime/cluster/peer_link.hpp>

#include <chrono>
#include <utility>

#include <weir/runtime/cluster/network.hpp>

namespace weir {

peer_link_actor::peer_link_actor(caf::actor_config& setup, const cluster_config& config, link_setup what,
                                 caf::actor worker)
    : connection_actor(setup, config), setup_(std::move(what)), worker_(std::move(worker)),
      time_between_calls_(config.heartbeat) {}

caf::behavior peer_link_actor::make_behavior() {
  return connection_behavior().or_else(caf::message_handler{
      [this](find_due) {
        if (!is_lost())
          look_for_peer();
      },
      [this](call_due) { call_peer(); },
      [this](batch_sent& sent) {
        send_written([&](byte_writer& out) {
          write_head(out, item::batch, sent.channel);
          channel_of(sent.channel).codec->write(out, *sent.records);
        });
        if (sent.records->is_shared())
          sent.records = batch_ptr(); // others still read it
        emptied_[sent.channel].push_back(std::move(sent.records));
      },
      [this](const marker_sent& sent) {
        send_written([&](byte_writer& out) {
          write_head(out, item::marker, sent.channel);
          out.write_raw(sent.what);
        });
      },
      [this](const credit_returned& back) {
        send_written([&](byte_writer& out) { write_head(out, item::credit, back.channel); });
      },
  });
}

/// The one with the lower number looks for the other one.
void peer_link_actor::begin() {
  if (setup_.own > setup_.peer.worker)
    return;
  look_until_ = std::chrono::steady_clock::now() + timeout();
  look_for_peer();
}

/// A port that many connect to may close a connection that it should not: that is no reason to give up yet.
void peer_link_actor::look_for_peer() {
  const worker_address& peer = setup_.peer;
  find_published(*this, {peer.host, peer.port}, timeout(), "the worker there has ended", [this](result<caf::actor> door) {
    if (!door && std::chrono::steady_clock::now() < look_until_)
      return tell_self_later(*this, time_between_calls_, find_due{});
    if (!door)
      return lose(door.failure().message);
    door_ = std::move(*door);
    watch(*this, door_);
    expect_peer();
    call_peer();
  });
}

/// Again and again, until the other worker has this deployment, too. Its door says each time that it is there.
void peer_link_actor::call_peer() {
  if (is_connected() || is_lost()) {
    door_ = nullptr;
    return;
  }
  tell(*this, door_, encoded_message(peer_hello{setup_.attempt, setup_.own}));
  tell_self_later(*this, time_between_calls_, call_due{});
}

void peer_link_actor::write_head(byte_writer& out, item what, std::uint32_t channel) {
  out.write_raw(what);
  out.write_raw(channel);
}

const linked_channel& peer_link_actor::channel_of(std::uint32_t number) const {
  const auto found = setup_.channels.find(number);
  if (found == setup_.channels.end())
    throw malformed_bytes("it speaks of channel " + std::to_string(number) + ", which does not lead from there to here");
  return found->second;
}

void peer_link_actor::receive(std::string_view message) {
  byte_reader in(message);
  const auto what = in.read_raw<item>();
  const auto number = in.read_raw<std::uint32_t>();
  const linked_channel& to = channel_of(number);
  switch (what) {
  case item::batch: tell(*this, to.task, batch_sent{to.channel, to.codec->read(in)}); return;
  case item::marker: tell(*this, to.task, marker_sent{to.channel, in.read_raw<marker>()}); return;
  case item::credit: {
    std::vector<batch_ptr>& emptied = emptied_[number];
    if (emptied.empty())
      throw malformed_bytes("it gives back more batches than it got");
    tell(*this, to.task, credit_returned{to.channel, std::move(emptied.back())});
    emptied.pop_back();
    return;
  }
  }
  throw malformed_bytes("expected a batch, a marker or a credit");
}

void peer_link_actor::handle_loss(const std::string& reason) {
  tell(*this, worker_, link_lost{setup_.attempt, setup_.peer.name, reason, was_silent()});
}

void peer_link_actor::on_exit() {
  connection_actor::on_exit();
  setup_.channels.clear();
  emptied_.clear();
  worker_ = door_ = nullptr;
}

} // namespace weir
