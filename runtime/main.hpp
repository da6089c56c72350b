#pragma once

#include <weir/runtime/topology.hpp>

namespace weir {

/// The main function of a job's binary: reads the command line, the environment and the settings
/// file, and runs the job, prints its plan, or says what is wrong. Returns the process's exit code:
/// 0 for success, 1 when the job failed, 2 for a mistake in usage or settings.
///
/// SIGINT and SIGTERM take a last checkpoint and stop the job; a second one ends the process at
/// once, as a crash would.
int main(const topology& job, int argc, char** argv);

} // namespace weir
