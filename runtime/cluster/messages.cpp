#include <weir/runtime/cluster/messages.hpp>

#include <functional>

namespace weir {

namespace {

// What is written of each struct; the same for reading, where T is not const.

template <class T, class As>
concept is_a = std::is_same_v<std::remove_const_t<T>, As>;

} // namespace

template <is_a<worker_hello> T>
auto fields(T& m) {
  return std::tie(m.job, m.digest, m.program, m.name, m.slots, m.host, m.port);
}
template <is_a<worker_welcome> T>
auto fields(T& m) {
  return std::tie(m.worker, m.settings, m.is_stored, m.keeps_replicas);
}
template <is_a<worker_refused> T>
auto fields(T& m) {
  return std::tie(m.reason);
}
template <is_a<worker_address> T>
auto fields(T& m) {
  return std::tie(m.worker, m.name, m.host, m.port);
}
template <is_a<state_schema> T>
auto fields(T& m) {
  return std::tie(m.name, m.kind, m.type, m.expires);
}
template <is_a<key_group_snapshot> T>
auto fields(T& m) {
  return std::tie(m.group, m.entries, m.data, m.is_delta, m.chain);
}
template <is_a<list_snapshot> T>
auto fields(T& m) {
  return std::tie(m.name, m.mode, m.type, m.items);
}
template <is_a<channel_snapshot> T>
auto fields(T& m) {
  return std::tie(m.sender, m.instance, m.output, m.input, m.type, m.records, m.data);
}
template <is_a<operator_snapshot> T>
auto fields(T& m) {
  return std::tie(m.uid, m.instance, m.parallelism, m.drained, m.counts, m.watermark, m.base, m.key_type,
                  m.keyed_states, m.key_groups, m.lists, m.channels, m.failure);
}
template <is_a<checkpoint_contents> T>
auto fields(T& m) {
  return std::tie(m.checkpoint, m.operators);
}
template <is_a<keep_replica> T>
auto fields(T& m) {
  return std::tie(m.checkpoint, m.operators, m.keep_from);
}
template <is_a<forget_replicas> T>
auto fields(T& m) {
  return std::tie(m.checkpoints);
}
template <is_a<replicas_held> T>
auto fields(T& m) {
  return std::tie(m.checkpoints, m.attempt);
}
template <is_a<worker_joined> T>
auto fields(T& m) {
  return std::tie(m.keeps_replicas, m.held);
}
template <is_a<replica_answered> T>
auto fields(T& m) {
  return std::tie(m.question, m.code, m.problem, m.held, m.contents);
}
template <is_a<deploy_tasks> T>
auto fields(T& m) {
  return std::tie(m.attempt, m.run, m.parallelism, m.placement, m.workers, m.apart, m.is_restored, m.contents, m.first_splits);
}
template <is_a<task_failed> T>
auto fields(T& m) {
  return std::tie(m.attempt, m.task, m.reason, m.may_pass, m.has_to_commit);
}
template <is_a<task_stopped> T>
auto fields(T& m) {
  return std::tie(m.attempt, m.task, m.counts);
}
template <is_a<snapshot_sent> T>
auto fields(T& m) {
  return std::tie(m.attempt, m.checkpoint, m.task, m.longest_pause, m.operators);
}
template <is_a<snapshot_failed> T>
auto fields(T& m) {
  return std::tie(m.attempt, m.checkpoint, m.reason);
}
template <is_a<peer_lost> T>
auto fields(T& m) {
  return std::tie(m.attempt, m.name, m.reason);
}

// An order is a variant within a message that is one.
void put(byte_writer& out, const order_to_task& m) {
  put(out, m.attempt);
  put(out, m.task);
  put(out, m.order);
}
void get(byte_reader& in, order_to_task& m) {
  get(in, m.attempt);
  get(in, m.task);
  m.order = get_variant<task_order>(in);
}

void put(byte_writer& out, const order_to_keeper& m) {
  put(out, m.question);
  put(out, m.order);
}
void get(byte_reader& in, order_to_keeper& m) {
  get(in, m.question);
  m.order = get_variant<replica_order>(in);
}

namespace {

template <class Message>
bytes encoded_as(const Message& message) {
  byte_writer out;
  put(out, message);
  return std::move(out).take();
}

} // namespace

bytes encoded_message(const to_worker& message) {
  return encoded_as(message);
}
bytes encoded_message(const to_coordinator& message) {
  return encoded_as(message);
}

void read_message(std::string_view data, to_worker& message) {
  message = get_variant<to_worker>(data);
}
void read_message(std::string_view data, to_coordinator& message) {
  message = get_variant<to_coordinator>(data);
}

result<operator_snapshot> with_all_data(const operator_snapshot& from, const std::function<bool(key_group)>& wants) {
  operator_snapshot made = from;
  std::erase_if(made.key_groups, [&](const key_group_snapshot& group) { return !wants(group.group); });
  for (key_group_snapshot& group : made.key_groups) {
    if (!group.source)
      continue;
    auto read = group.source->read(group.group);
    if (!read)
      return in_context("key group " + to_string(group.group) + " of operator " + from.uid, std::move(read.failure()));
    group = std::move(*read);
  }
  return made;
}

} // namespace weir
