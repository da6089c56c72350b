#pragma once

#include <filesystem>
#include <string>

#include <weir/runtime/job.hpp>

namespace weir {

/// Carries out what came over the control socket of a job, and returns the answer; both are JSON objects on a line:
///
///     {"command": "savepoint", "target": "/backup/"}
///     {"command": "stop", "drain": true, "target": "/backup/before-upgrade.weir"}
///     {"command": "cancel"}
///
///     {"ok": true, "file": "/backup/word-count-2026-11-22T02-33-41.123Z.weir", "checkpoint": 17, "bytes": 4711}
///     {"ok": false, "problem": "..."}
///
/// `target` is a file, or a directory in which one is named after the job and the time; of savepoint it may be left
/// out, and is `savepoints` in the checkpoint directory then.
std::string answer_request(job& of, const std::filesystem::path& checkpoint_directory, const std::string& request);

} // namespace weir
