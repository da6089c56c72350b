#include <weir/snapshot/store_retention.hpp>

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include <weir/base/log.hpp>
#include <weir/snapshot/store_reader.hpp>

namespace weir::detail {

namespace {

template <class Predicate>
status erase_where(lmdb_transaction& transaction, lmdb_database database, Predicate is_to_go) {
  auto cursor = transaction.cursor(database);
  if (!cursor)
    return cursor.failure();
  auto here = cursor->first();
  for (; here && *here; here = cursor->next())
    if (is_to_go(cursor->key()))
      if (const status erased = cursor->erase(); !erased)
        return erased;
  if (!here)
    return here.failure();
  return {};
}

void add_keys(const manifest& from, std::vector<std::string>& needed) {
  for_each_blob(from, [&](const stored_operator&, const blob_reference& blob) { needed.push_back(blob.key.encoded()); });
}

} // namespace

status expire_checkpoints(lmdb_transaction& transaction, const store_file& file,
                          std::uint32_t retained, checkpoint_id keep_from) {
  store_reader reader{transaction, file};
  const auto ids = reader.ids();
  if (!ids)
    return ids.failure();
  std::vector<std::string> needed;
  bool all_are_readable = true;
  checkpoint_id newest_expired{};
  std::uint32_t kept = 0;
  for (auto id = ids->rbegin(); id != ids->rend(); ++id) {
    if (kept >= retained && (keep_from == checkpoint_id{} || *id < keep_from)) {
      newest_expired = *id;
      break;
    }
    if (const auto found = reader.read_manifest(*id)) {
      add_keys(*found, needed);
      ++kept;
    } else {
      all_are_readable = false;
      log_warning(
          "a manifest is damaged, so no blob is deleted as long as it is retained",
          {{"file", file.path()}, {"checkpoint", id->value}, {"problem", found.failure().message}});
    }
  }
  const auto is_expired = [&](std::string_view key) {
    return checkpoint_of_key(key) <= newest_expired;
  };
  if (newest_expired != checkpoint_id{})
    if (const status erased = erase_where(transaction, file.checkpoints(), is_expired); !erased)
      return erased;
  if (!all_are_readable)
    return {};
  std::sort(needed.begin(), needed.end());
  return erase_where(transaction, file.blobs(), [&](std::string_view key) {
    return !std::binary_search(needed.begin(), needed.end(), key);
  });
}

status erase_unneeded_blobs(lmdb_transaction& transaction, const store_file& file) {
  return expire_checkpoints(transaction, file, std::numeric_limits<std::uint32_t>::max(), {});
}

status erase_checkpoints(lmdb_transaction& transaction, const store_file& file) {
  const auto all = [](std::string_view) { return true; };
  if (const status erased = erase_where(transaction, file.checkpoints(), all); !erased)
    return erased;
  return erase_where(transaction, file.blobs(), all);
}

} // namespace weir::detail
