#include <weir/snapshot/checkpoint_reader.hpp>

#include <algorithm>
#include <optional>

#include <weir/base/units.hpp>
#include <weir/snapshot/checkpoint_files.hpp>
#include <weir/snapshot/lmdb_check.hpp>
#include <weir/snapshot/lmdb_view.hpp>

namespace weir {

using namespace detail;
namespace fs = std::filesystem;

namespace {

std::string text_of(const std::vector<checkpoint_id>& ids) {
  std::string text;
  for (const checkpoint_id id : ids)
    text.append(text.empty() ? "" : ", ").append(to_string(id));
  return text;
}

/// The checkpoints of an LMDB file.
class lmdb_checkpoint_reader final : public checkpoint_reader {
 public:
  static result<std::unique_ptr<checkpoint_reader>> open(const fs::path& directory) {
    const fs::path path = directory / lmdb_file_name;
    auto view = lmdb_view::open(path);
    if (!view)
      return std::move(view.failure());
    std::unique_ptr<lmdb_checkpoint_reader> made(new lmdb_checkpoint_reader(directory, std::move(*view)));
    if (const status known = made->check_identity(); !known)
      return known.failure();
    return std::unique_ptr<checkpoint_reader>(std::move(made));
  }

  std::string job() override { return job_; }

  result<std::vector<checkpoint_id>> ids() override {
    const auto now = view_.begin();
    if (!now)
      return now.failure();
    const auto checkpoints = database(*now, "checkpoint");
    if (!checkpoints)
      return checkpoints.failure();
    std::vector<checkpoint_id> found;
    const status done = now->for_each_key(
        *checkpoints, [&](std::string_view key) { found.push_back(checkpoint_of_key(key)); });
    if (!done)
      return done.failure();
    return found;
  }

  status check_structure() override {
    const auto now = view_.begin();
    if (!now)
      return now.failure();
    if (const auto checked = check_lmdb_file(path_, &now->meta()); !checked)
      return checked.failure();
    const auto attempt = sealed_value(*now, "meta", "attempt");
    if (!attempt)
      return in_context(path_.string() + " is damaged: its record \"attempt\"", attempt.failure());
    return {};
  }

 protected:
  result<manifest> manifest_of(checkpoint_id id) override {
    const auto now = view_.begin();
    if (!now)
      return now.failure();
    const auto content = sealed_value(*now, "checkpoint", checkpoint_key(id));
    if (!content)
      return content.failure();
    auto found = decode_manifest(*content);
    if (found && found->checkpoint.id != id)
      return error{errc::corrupt, "it is that of checkpoint " + to_string(found->checkpoint.id)};
    return found;
  }

  result<bytes> contents_of(const std::vector<blob_reference>& blobs) override {
    const auto now = view_.begin();
    if (!now)
      return now.failure();
    bytes contents;
    for (const blob_reference& blob : blobs) {
      value_seal seal{};
      auto content = sealed_value(*now, "blob", blob.key.encoded(), &seal);
      if (!content)
        return content;
      if (seal.size != blob.bytes || seal.checksum != blob.checksum)
        return error{errc::corrupt, "its own length and checksum differ from those in the manifest"};
      if (contents.empty())
        contents = std::move(*content);
      else
        contents.append(*content);
    }
    return contents;
  }

 private:
  lmdb_checkpoint_reader(const fs::path& directory, lmdb_view view)
      : checkpoint_reader(directory), path_(directory / lmdb_file_name), view_(std::move(view)) {}

  result<lmdb_snapshot::database> database(const lmdb_snapshot& now, const std::string& name) const {
    auto found = now.find_database(name);
    if (!found)
      return std::move(found.failure());
    if (!*found)
      return error{errc::corrupt, path_.string() + " is not a checkpoint file of Weir: it has no database " +
                                      in_quotes(name)};
    return std::move(**found);
  }

  // `seal`, where it is asked for, is what the value says of its content.
  result<std::string> sealed_value(const lmdb_snapshot& now, const std::string& in, std::string_view key,
                                   value_seal* seal = nullptr) const {
    const auto from = database(now, in);
    if (!from)
      return from.failure();
    auto value = now.find(*from, key);
    if (!value)
      return std::move(value.failure());
    if (!*value)
      return error{errc::corrupt, "it is missing"};
    if (const auto content = unsealed(**value); !content)
      return content.failure();
    if (seal)
      *seal = byte_reader(**value).read_raw<value_seal>();
    (*value)->erase(0, seal_size);
    return std::move(**value);
  }

  status check_identity() {
    const auto now = view_.begin();
    if (!now)
      return now.failure();
    const auto read = [&](const char* name) {
      auto content = sealed_value(*now, "meta", name);
      return content ? content
                     : in_context(path_.string() + ": its record " + in_quotes(name), std::move(content.failure()));
    };
    const auto format = read("format");
    if (!format)
      return format.failure();
    if (const status fits = check_format(path_, *format); !fits)
      return fits;
    const auto name = read("job");
    if (!name)
      return name.failure();
    try {
      job_ = byte_reader(*name).read_text();
    } catch (const malformed_bytes& problem) {
      return error{errc::corrupt, path_.string() + " is damaged: its record \"job\": " + problem.what()};
    }
    return {};
  }

  fs::path path_;
  lmdb_view view_;
  std::string job_;
};

/// The checkpoints of a directory of files.
class files_checkpoint_reader final : public checkpoint_reader {
 public:
  explicit files_checkpoint_reader(const fs::path& directory) : checkpoint_reader(directory), files_(directory) {}

  std::string job() override {
    const auto known = ids();
    for (auto id = known ? known->rbegin() : std::vector<checkpoint_id>::const_reverse_iterator{};
         known && id != known->rend(); ++id)
      if (const auto file = checkpoint_file::open(path_of(*id)))
        return file->job();
    return {};
  }

  result<std::vector<checkpoint_id>> ids() override { return ids_of_files(directory(), checkpoint_prefix); }

  status check_structure() override {
    const auto attempt = read_attempt(directory());
    return attempt ? status{} : attempt.failure();
  }

 protected:
  result<manifest> manifest_of(checkpoint_id id) override {
    const auto file = checkpoint_file::open(path_of(id));
    if (!file)
      return file.failure();
    return file->content();
  }

  result<bytes> contents_of(const std::vector<blob_reference>& blobs) override {
    auto contents = read_all(blobs);
    if (contents)
      return contents;
    files_.emplace(directory()); // retention may have given a file its other name
    return read_all(blobs);
  }

 private:
  fs::path path_of(checkpoint_id id) const { return directory() / name_of_file(id, checkpoint_prefix); }

  result<bytes> read_all(const std::vector<blob_reference>& blobs) {
    bytes contents;
    for (const blob_reference& blob : blobs) {
      auto content = files_->read_blob(blob);
      if (!content)
        return content;
      contents.append(*content);
    }
    return contents;
  }

  std::optional<checkpoint_files> files_;
};

} // namespace

result<std::unique_ptr<checkpoint_reader>> checkpoint_reader::open(const fs::path& directory) {
  std::error_code code;
  const fs::file_status about = fs::status(directory, code);
  if (!fs::is_directory(about))
    return error{errc::invalid_input, "expected the checkpoint directory of a job, found " +
                                          (fs::exists(about) ? directory.string() + ", which is no directory"
                                                             : "no " + directory.string()) +
                                          ": it is what the job's checkpoint.dir says"};
  const auto in_files = ids_of_files(directory, checkpoint_prefix);
  if (!in_files)
    return in_files.failure();
  if (fs::exists(directory / lmdb_file_name, code)) {
    auto reader = lmdb_checkpoint_reader::open(directory);
    if (!reader || in_files->empty())
      return reader;
    const auto known = (*reader)->ids();
    if (known && !known->empty() && known->back() >= in_files->back())
      return reader;
  } else if (in_files->empty() && !fs::exists(directory / "owner", code) && !fs::exists(directory / "attempt", code)) {
    return error{errc::invalid_input, directory.string() + " is not the checkpoint directory of a job: expected " +
                                          lmdb_file_name +
                                          " or files checkpoint-*.weir in it, found neither"};
  }
  return std::unique_ptr<checkpoint_reader>(std::make_unique<files_checkpoint_reader>(directory));
}

error checkpoint_reader::explained(checkpoint_id id, error failure) {
  const auto known = ids();
  if (!known || std::ranges::find(*known, id) != known->end())
    return failure;
  return {errc::checkpoint, "checkpoint " + to_string(id) + " in " + directory_.string() +
                                " was deleted while it was read: the job has newer ones" +
                                (known->empty() ? "" : ", " + text_of(*known)) + "; read one of these, or raise "
                                "checkpoint.retained"};
}

result<manifest> checkpoint_reader::read_manifest(checkpoint_id id) {
  const auto known = ids();
  if (!known)
    return known.failure();
  if (std::ranges::find(*known, id) == known->end())
    return error{errc::invalid_setting, "there is no checkpoint " + to_string(id) + " in " + directory_.string() +
                                            (known->empty() ? "; it holds none" : "; it holds " + text_of(*known))};
  auto found = manifest_of(id);
  if (!found)
    return explained(id, in_context("checkpoint " + to_string(id) + ": its manifest", std::move(found.failure())));
  return found;
}

result<bytes> checkpoint_reader::read_blobs(checkpoint_id of, const std::vector<blob_reference>& blobs) {
  auto contents = contents_of(blobs);
  if (!contents)
    return explained(of, std::move(contents.failure()));
  return contents;
}

} // namespace weir
