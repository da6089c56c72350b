#include <weir/snapshot/checkpoint_files.hpp>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <fstream>
#include <iterator>
#include <system_error>

#include <fcntl.h>
#include <unistd.h>

#include <weir/base/bytes.hpp>
#include <weir/base/file_descriptor.hpp>
#include <weir/snapshot/store_format.hpp>

namespace weir::detail {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view suffix = ".weir";
constexpr std::size_t digits = 20;

} // namespace

std::string name_of_file(checkpoint_id id, std::string_view prefix) {
  std::string number = std::to_string(id.value);
  number.insert(0, digits - number.size(), '0');
  return std::string(prefix) + number + std::string(suffix);
}

std::optional<checkpoint_id> id_of_file(const std::string& name, std::string_view prefix) {
  if (!name.starts_with(prefix) || !name.ends_with(suffix) ||
      name.size() != prefix.size() + digits + suffix.size())
    return std::nullopt;
  std::uint64_t number = 0;
  const char* first = name.data() + prefix.size();
  const auto [end, code] = std::from_chars(first, first + digits, number);
  if (code != std::errc{} || end != first + digits)
    return std::nullopt;
  return checkpoint_id{number};
}

fs::path path_of_holder(const fs::path& directory, checkpoint_id id) {
  std::error_code ignored;
  const fs::path whole = directory / name_of_file(id, checkpoint_prefix);
  return fs::exists(whole, ignored) ? whole : directory / name_of_file(id, blobs_prefix);
}

result<std::vector<checkpoint_id>> ids_of_files(const fs::path& directory, std::string_view prefix) {
  std::vector<checkpoint_id> found;
  const status read = for_each_file_name(directory, [&](const std::string& name) {
    if (const auto id = id_of_file(name, prefix))
      found.push_back(*id);
  });
  if (!read)
    return read.failure();
  std::sort(found.begin(), found.end());
  return found;
}

result<std::optional<bytes>> read_small_file(const fs::path& path, std::string_view advice) {
  std::ifstream file(path, std::ios::binary);
  if (!file.is_open()) {
    const int cause = errno;
    if (cause == ENOENT)
      return std::optional<bytes>{};
    return file_error(errc::io, "read", path.string(), cause);
  }
  const std::string value{std::istreambuf_iterator<char>(file), {}};
  const auto content = unsealed(value);
  if (!content)
    return error{errc::corrupt, path.string() + " is damaged: " + std::string(advice)};
  return std::optional<bytes>{*content};
}

status write_small_file(const fs::path& path, std::string_view content) {
  const std::string value = sealed(content);
  const fs::path unfinished = path.parent_path() / (".checkpoint-" + path.filename().string() + ".new");
  const file_descriptor file(::open(unfinished.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!file.is_open() ||
      ::write(file.number(), value.data(), value.size()) != static_cast<ssize_t>(value.size()) ||
      ::fsync(file.number()) != 0 || ::rename(unfinished.c_str(), path.c_str()) != 0)
    return file_error(errno == ENOSPC ? errc::capacity : errc::io, "write", unfinished.string(), errno);
  if (const int cause = sync_directory(path.parent_path().string()); cause != 0)
    return file_error(errc::io, "sync", path.parent_path().string(), cause);
  return {};
}

result<epoch> read_attempt(const fs::path& directory) {
  const fs::path path = directory / "attempt";
  constexpr std::string_view advice = "it counts the job's attempts. Put a copy of it in its place, or remove it "
                                      "together with the checkpoints";
  const auto content = read_small_file(path, advice);
  if (!content)
    return content.failure();
  if (!*content)
    return epoch{};
  if ((*content)->size() != sizeof(epoch::rep))
    return error{errc::corrupt, path.string() + " is damaged: " + std::string(advice)};
  return epoch{byte_reader(**content).read_raw<epoch::rep>()};
}

result<bytes> checkpoint_files::read_blob(const blob_reference& blob) {
  const auto file = open(blob.key.checkpoint);
  if (!*file)
    return file->failure();
  auto content = (*file)->read_blob(blob);
  return content ? std::move(content)
                 : in_context("in " + path_of_holder(directory_, blob.key.checkpoint).string(),
                              std::move(content.failure()));
}

error checkpoint_files::missing(checkpoint_id id) {
  return {errc::corrupt, "it should be in " + name_of_file(id, checkpoint_prefix) + " or " +
                             name_of_file(id, blobs_prefix) + ", and neither is there"};
}

checkpoint_files::opened checkpoint_files::open(checkpoint_id id) {
  const std::lock_guard only_one(mutex_);
  opened& file = files_[id];
  if (!file) {
    const fs::path path = path_of_holder(directory_, id);
    std::error_code ignored;
    file = std::make_shared<const result<checkpoint_file>>(
        fs::exists(path, ignored) ? checkpoint_file::open(path) : missing(id));
  }
  return file;
}

} // namespace weir::detail
