#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>

namespace weir {

/// Where keyed state lives while the job runs, and how it gets into checkpoints. A checkpoint that was
/// taken with one backend is restored with any.
enum class state_backend : std::uint8_t {
  memory,    ///< in memory; checkpoints in an LMDB file
  directory, ///< in memory; checkpoints as files, one each, that other machines can read
  lmdb,      ///< on disk, with a cache in memory; checkpoints in an LMDB file
};

struct state_config {
  state_backend backend = state_backend::memory;

  /// lmdb: where the working state is. It needs no more than room: what is there goes with the process.
  /// Empty: `working` in the checkpoint directory, or the system's directory for temporary files.
  std::filesystem::path directory;

  /// lmdb: about how many bytes of it are kept in memory, divided among the keyed operators of the
  /// process. Larger means fewer reads from disk.
  std::uint64_t cache_size = std::uint64_t{256} << 20;

  /// lmdb: the largest size of the working state of one operator instance. It takes address space only.
  std::uint64_t map_size = std::uint64_t{256} << 30;
};

} // namespace weir
