#pragma once

#include <cstdint>

#include <weir/base/ids.hpp>
#include <weir/snapshot/store_file.hpp>

namespace weir::detail {

/// Deletes the checkpoints that are older than the newest `retained` readable ones and below
/// `keep_from` (0: no limit), and then every blob that no remaining manifest refers to. While a remaining
/// manifest cannot be read, blobs stay.
///
/// Cost: reads the remaining manifests and the keys of all blobs, not the blobs.
status expire_checkpoints(lmdb_transaction& transaction, const store_file& file,
                          std::uint32_t retained, checkpoint_id keep_from);

/// Deletes every blob that no manifest refers to, as expire_checkpoints() does.
status erase_unneeded_blobs(lmdb_transaction& transaction, const store_file& file);

/// Deletes all checkpoints and blobs.
status erase_checkpoints(lmdb_transaction& transaction, const store_file& file);

} // namespace weir::detail
