#pragma once

#include <cstdint>
#include <string>

#include <weir/base/caf.hpp>
#include <weir/base/ids.hpp>
#include <weir/runtime/job_order.hpp>
#include <weir/runtime/job_status.hpp>

/// \file
/// The messages of the supervisor. Those of tasks and checkpoints stand one layer down.

namespace weir {

// from outside -> supervisor

/// The first message: start the job.
struct supervise {};

/// Carry this out, and say so.
struct job_ordered {
  job_order order;
};

/// The same with this.
struct rescale_ordered {
  rescale_order order;
};

/// Say what you are doing.
struct status_ordered {
  status_order order;
};

/// End the actor of one instance of an operator, as if it had been killed.
struct kill_task {
  std::string operator_name;
  std::uint32_t instance = 0;
};

// supervisor -> itself

/// The delay before the next attempt is over.
struct restart_due {
  epoch attempt; ///< the one that failed
};

/// What the job is to start from has not been found at the workers that have joined: ask again.
struct claim_again {};

/// The delay before a region starts again is over.
struct region_restart_due {
  epoch attempt;
  std::uint32_t restart; ///< number of the restart of a region in this attempt
};

/// The workers have had time enough to offer the slots that another parallelism takes.
struct rescale_overdue {
  epoch attempt; ///< the one that has ended for it
};

/// Time to say which tasks have still not stopped.
struct report_unstopped {
  epoch attempt;
};

} // namespace weir

WEIR_BEGIN_MESSAGES(weir_runtime, 2200)
WEIR_LOCAL_MESSAGE(weir::supervise)
WEIR_LOCAL_MESSAGE(weir::job_ordered)
WEIR_LOCAL_MESSAGE(weir::rescale_ordered)
WEIR_LOCAL_MESSAGE(weir::status_ordered)
WEIR_LOCAL_MESSAGE(weir::kill_task)
WEIR_LOCAL_MESSAGE(weir::restart_due)
WEIR_LOCAL_MESSAGE(weir::claim_again)
WEIR_LOCAL_MESSAGE(weir::region_restart_due)
WEIR_LOCAL_MESSAGE(weir::rescale_overdue)
WEIR_LOCAL_MESSAGE(weir::report_unstopped)
WEIR_END_MESSAGES(weir_runtime)
