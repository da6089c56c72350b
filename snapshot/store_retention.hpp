#pragma once

#include <cstdint>

#include <weir/snapshot/store_file.hpp>

namespace weir::detail {

/// Deletes the checkpoints that are older than the newest `retained` readable ones, and then every
/// blob that no remaining manifest refers to. While a remaining manifest cannot be read, blobs
/// stay.
///
/// Cost: reads the remaining manifests and the keys of all blobs, not the blobs.
status expire_checkpoints(lmdb_transaction& transaction, const store_file& file,
                          std::uint32_t retained);

/// Deletes all checkpoints and blobs.
status erase_checkpoints(lmdb_transaction& transaction, const store_file& file);

} // namespace weir::detail
