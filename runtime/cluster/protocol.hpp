#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <weir/actors/marker.hpp>
#include <weir/base/bytes.hpp>
#include <weir/base/caf.hpp>
#include <weir/base/ids.hpp>
#include <weir/runtime/cluster/client_connection.hpp>
#include <weir/runtime/cluster/link_port.hpp>
#include <weir/runtime/cluster/messages.hpp>

/// \file
/// The messages of the actors that stand for other processes, within one process.

namespace weir {

class link_stream;

// to a connection

/// Begin.
struct begin_connection {};

/// Send this to the other end.
struct send_message {
  bytes message;
};

// job -> worker_registry

/// Answer those that are no workers, too, by this.
struct serve_clients {
  request_handler handle;
};

// whoever waits for the job -> client_connection

struct request_answered {
  std::string text;
};

// a connection -> itself

/// Send what has been gathered.
struct flush_frames {};

/// Tell the other end that this one is there.
struct heartbeat_due {};

/// See whether something has come from the other end.
struct look_due {};

// worker_connection -> worker_registry

/// The worker has heard that it is welcome.
struct worker_confirmed {
  std::uint32_t number = 0;
  worker_joined what;
};

// supervisor -> worker_registry

/// A worker that has joined.
struct joined_worker {
  std::uint32_t number = 0;
  std::string name;
  std::string host; ///< where other workers reach it
  std::uint16_t port = 0;
  std::uint32_t slots = 0;
  caf::actor connection;
};

/// Answer with slots_claimed as soon as there are so many slots.
struct claim_slots {
  std::uint32_t slots = 0;
};

/// Answer with workers_listed.
struct list_workers {};

/// worker_registry -> itself: say that there are still too few workers.
struct report_waiting {};

/// worker_registry -> itself: those who come first have waited long enough for the others.
struct claim_due {};

/// The job has ended: let the workers go.
struct release_workers {};

// worker_registry -> whoever has asked

/// Those that have joined, by number.
struct workers_listed {
  std::vector<joined_worker> workers;
};

/// Where each slot is, by number in `workers`.
struct slots_claimed {
  std::vector<joined_worker> workers;
  std::vector<std::uint32_t> slots;
};

// supervisor -> deploy_actor

/// Send the tasks to their workers.
struct send_deployment {};

// supervisor -> worker_connection

/// Whoever is told what tasks of the worker say.
struct serve_attempt {
  epoch attempt;
  caf::actor supervisor;
  caf::actor coordinator;
};

// link between workers -> itself

/// Look for the other end again.
struct find_due {};

// its stream -> link between workers

/// Nothing comes any more, and what is sent goes nowhere.
struct stream_lost {
  std::string reason;
};

/// A channel's records as their codec has written them: decoding them may be the user's code, which is not for the
/// network's loop.
struct written_batch {
  std::uint32_t channel; ///< of the link
  bytes records;
};

/// A marker of a channel whose batches are written.
struct written_marker {
  std::uint32_t channel; ///< of the link
  marker what;
};

// port of a worker -> worker -> link between workers

/// Another worker has connected.
struct peer_connected {
  link_greeting greeting;
  std::shared_ptr<link_stream> stream; ///< not started
};

// whoever has made a stream -> link_pulse

/// Have it beat for as long as it is there.
struct keep_beating {
  std::shared_ptr<link_stream> stream;
};

struct beat_every {
  duration interval;
};

// worker -> replica_keeper

/// Open the copies of checkpoints; answered by replicas_opened. It is also told order_to_keeper.
struct open_replicas {
  std::string job;
  checkpoint_config config; ///< as the coordinator has it
};

struct replicas_opened {
  status outcome;
  replicas_held held;
};

// worker -> itself

/// Leave: stop all tasks, and end.
struct leave_cluster {};

/// Time to say which tasks have still not stopped.
struct report_hosted_unstopped {};

// link between workers -> worker

/// The link is of no use any more.
struct link_lost {
  epoch attempt;
  std::string worker; ///< at the other end
  std::string reason;
};

} // namespace weir

WEIR_BEGIN_MESSAGES(weir_cluster, 2300)
WEIR_LOCAL_MESSAGE(weir::begin_connection)
WEIR_LOCAL_MESSAGE(weir::send_message)
WEIR_LOCAL_MESSAGE(weir::flush_frames)
WEIR_LOCAL_MESSAGE(weir::heartbeat_due)
WEIR_LOCAL_MESSAGE(weir::look_due)
WEIR_LOCAL_MESSAGE(weir::worker_confirmed)
WEIR_LOCAL_MESSAGE(weir::claim_slots)
WEIR_LOCAL_MESSAGE(weir::serve_clients)
WEIR_LOCAL_MESSAGE(weir::request_answered)
WEIR_LOCAL_MESSAGE(weir::list_workers)
WEIR_LOCAL_MESSAGE(weir::workers_listed)
WEIR_LOCAL_MESSAGE(weir::report_waiting)
WEIR_LOCAL_MESSAGE(weir::claim_due)
WEIR_LOCAL_MESSAGE(weir::release_workers)
WEIR_LOCAL_MESSAGE(weir::slots_claimed)
WEIR_LOCAL_MESSAGE(weir::send_deployment)
WEIR_LOCAL_MESSAGE(weir::serve_attempt)
WEIR_LOCAL_MESSAGE(weir::find_due)
WEIR_LOCAL_MESSAGE(weir::stream_lost)
WEIR_LOCAL_MESSAGE(weir::written_batch)
WEIR_LOCAL_MESSAGE(weir::written_marker)
WEIR_LOCAL_MESSAGE(weir::peer_connected)
WEIR_LOCAL_MESSAGE(weir::keep_beating)
WEIR_LOCAL_MESSAGE(weir::beat_every)
WEIR_LOCAL_MESSAGE(weir::open_replicas)
WEIR_LOCAL_MESSAGE(weir::order_to_keeper)
WEIR_LOCAL_MESSAGE(weir::replicas_opened)
WEIR_LOCAL_MESSAGE(weir::leave_cluster)
WEIR_LOCAL_MESSAGE(weir::report_hosted_unstopped)
WEIR_LOCAL_MESSAGE(weir::link_lost)
WEIR_LOCAL_MESSAGE(weir::kill_hosted_task)
WEIR_END_MESSAGES(weir_cluster)
