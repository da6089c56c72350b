#pragma once

#include <filesystem>
#include <string>

#include <weir/runtime/job_access.hpp>

namespace weir {

/// Carries out what came over the control socket of a job, or over its coordinator's port, and returns the answer; both are
/// JSON objects on a line:
///
///     {"command": "savepoint", "target": "/backup/"}
///     {"command": "stop", "drain": true, "target": "/backup/before-upgrade.weir"}
///     {"command": "cancel", "job": "word-count"}
///     {"command": "rescale", "parallelism": 4}
///     {"command": "job"}
///     {"command": "workers"}
///
///     {"ok": true, "file": "/backup/word-count-2026-11-22T02-33-41.123Z.weir", "checkpoint": 17, "bytes": 4711}
///     {"ok": true, "before": 2, "after": 4, "pause_ms": 61.2, "checkpoint": 18, "bytes": 4711}
///     {"ok": true, "job": {...}}
///     {"ok": true, "workers": [{...}]}
///     {"ok": false, "problem": "..."}
///
/// `target` is a file, or a directory in which one is named after the job and the time; of savepoint it may be left
/// out, and is `savepoints` in the checkpoint directory then. `job`, where it is there, must be the job's name. What is in
/// the last two answers docs/inspecting.md says.
///
/// `checkpoint_directory`: the job's; empty: it has none.
std::string answer_request(const job_access& of, const std::filesystem::path& checkpoint_directory,
                           const std::string& request);

} // namespace weir
