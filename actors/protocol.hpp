#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <weir/actors/batch.hpp>
#include <weir/actors/marker.hpp>
#include <weir/base/caf.hpp>
#include <weir/base/ids.hpp>
#include <weir/state/record_counts.hpp>

/// \file
/// The messages of tasks, to each other and to the supervisor. A task lives for one attempt only, so
/// what is sent to a task of an earlier one reaches nobody.

namespace weir {

// task -> task

/// Records for input channel `channel` of the receiver.
struct batch_sent {
  std::uint32_t channel;
  batch_ptr records;
};

/// A marker on input channel `channel` of the receiver.
struct marker_sent {
  std::uint32_t channel;
  marker what;
};

/// One more batch may be sent on output channel `channel` of the receiver; the emptied one comes
/// back with it.
struct credit_returned {
  std::uint32_t channel;
  batch_ptr emptied;
};

// supervisor -> task

/// One end of a channel: the task there, and the channel's number on its side.
struct channel_end {
  caf::actor task;
  std::uint32_t channel;
  bool is_remote = false; ///< in another process: `task` takes there what it is told
};

/// The first message: your channels, and where snapshots go. Open, then answer task_opened.
struct connect_task {
  std::vector<channel_end> outputs;
  std::vector<channel_end> inputs;
  caf::actor coordinator;
};

/// All tasks are open: begin.
struct run_task {};

/// Of a task that a loop begins with: send a probe round, and say when it is back.
struct probe_loop {
  std::uint32_t round;
};

/// Nothing goes round the loop any more: let the last watermark pass.
struct pass_last_watermark {};

/// Nothing goes round the loop any more: go on as if what comes back had ended.
struct close_loop {};

/// Of a source: read no more, as if all input had ended.
struct drain_source {};

/// Release everything and end.
struct stop_task {};

// task -> supervisor

/// The task has opened its operators with the state that they start from.
struct task_opened {
  epoch attempt;
  task_id task;
};

/// All input has ended and everything that follows from it has been sent on.
struct task_ended {
  epoch attempt;
  task_id task;
};

/// The first task of a loop has nothing coming in any more.
struct loop_entry_ended {
  epoch attempt;
  task_id task;
};

/// A probe has come back to the task.
struct loop_probed {
  epoch attempt;
  task_id task;
  std::uint32_t round;
  bool was_quiet; ///< no record has come back since it was sent
};

/// The task cannot go on.
struct task_failed {
  epoch attempt;
  task_id task;
  std::string reason;
  bool may_pass; ///< it is worth another attempt, though the first has not begun to run
  bool has_to_commit = false; ///< what a complete checkpoint owns is still to be committed
};

/// The task has let go of everything: its files, its sockets, its memory.
struct task_stopped {
  epoch attempt;
  task_id task;
  std::vector<record_counts> counts; ///< of the operators of its chain; empty if it was never made
};

// task -> itself

/// Go on: a source's next turn, or input that waited.
struct next_turn {};

/// A point in processing time that an operator waits for may have come.
struct wake_task {};

} // namespace weir

WEIR_BEGIN_MESSAGES(weir_actors, 2100)
WEIR_LOCAL_MESSAGE(weir::batch_sent)
WEIR_LOCAL_MESSAGE(weir::marker_sent)
WEIR_LOCAL_MESSAGE(weir::credit_returned)
WEIR_LOCAL_MESSAGE(weir::connect_task)
WEIR_LOCAL_MESSAGE(weir::run_task)
WEIR_LOCAL_MESSAGE(weir::probe_loop)
WEIR_LOCAL_MESSAGE(weir::pass_last_watermark)
WEIR_LOCAL_MESSAGE(weir::close_loop)
WEIR_LOCAL_MESSAGE(weir::drain_source)
WEIR_LOCAL_MESSAGE(weir::stop_task)
WEIR_LOCAL_MESSAGE(weir::task_opened)
WEIR_LOCAL_MESSAGE(weir::task_ended)
WEIR_LOCAL_MESSAGE(weir::loop_entry_ended)
WEIR_LOCAL_MESSAGE(weir::loop_probed)
WEIR_LOCAL_MESSAGE(weir::task_failed)
WEIR_LOCAL_MESSAGE(weir::task_stopped)
WEIR_LOCAL_MESSAGE(weir::next_turn)
WEIR_LOCAL_MESSAGE(weir::wake_task)
WEIR_END_MESSAGES(weir_actors)
