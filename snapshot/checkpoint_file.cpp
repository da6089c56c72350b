#include <weir/snapshot/checkpoint_file.hpp>

#include <cerrno>
#include <cstdio>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <weir/base/bytes.hpp>
#include <weir/base/hash.hpp>
#include <weir/snapshot/store_format.hpp>

namespace weir::detail {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t head_size = 12;    // magic, version
constexpr std::size_t trailer_size = 40; // offsets of index and manifest, end, checksum, magic
constexpr std::size_t write_at_once = std::size_t{1} << 20;

error write_error(const fs::path& path, int number) {
  error failure = file_error(errc::io, "write", path.string(), number);
  if (number == ENOSPC || number == EDQUOT || number == EFBIG) {
    failure.code = errc::capacity;
    failure.message += "; free some space on that disk. What was stored before is intact";
  }
  return failure;
}

/// Appends to a file, a MiB at a time.
class file_writer {
 public:
  file_writer(const fs::path& path, const file_descriptor& file) : path_(path), file_(file) {}

  std::uint64_t position() const noexcept { return flushed_ + buffer_.size(); }

  status append(std::string_view data) {
    buffer_.append(data);
    return buffer_.size() < write_at_once ? status{} : flush();
  }

  status flush() {
    std::string_view rest = buffer_;
    while (!rest.empty()) {
      const ssize_t n = ::write(file_.number(), rest.data(), rest.size());
      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        return write_error(path_, errno);
      rest.remove_prefix(static_cast<std::size_t>(n));
    }
    flushed_ += buffer_.size();
    buffer_.clear();
    return {};
  }

 private:
  const fs::path& path_;
  const file_descriptor& file_;
  std::string buffer_;
  std::uint64_t flushed_ = 0;
};

using blob_writer = std::function<status(const store_draft::put_blob&)>;

status write_all(file_writer& out, const std::string& job, const manifest& content, const blob_writer& write_blobs) {
  byte_writer head;
  head.write(checkpoint_format_magic.data(), checkpoint_format_magic.size());
  head.write_raw(checkpoint_format_version);
  status done = out.append(head.view());
  byte_writer blobs;
  std::uint64_t count = 0;
  const auto put = [&](std::string_view key, const value_seal&, std::string_view blob) {
    blobs.write_text(key);
    blobs.write_raw(out.position());
    ++count;
    return out.append(blob);
  };
  if (done)
    done = write_blobs(put);
  byte_writer index;
  index.write_text(job);
  index.write_raw(count);
  index.write(blobs.view().data(), blobs.view().size());
  byte_writer trailer;
  trailer.write_raw(out.position());
  if (done)
    done = out.append(sealed(index.view()));
  trailer.write_raw(out.position());
  if (done)
    done = out.append(sealed(encode_manifest(content)));
  trailer.write_raw(out.position());
  trailer.write_raw(hash_bytes(trailer.view().data(), trailer.size()));
  trailer.write(checkpoint_format_magic.data(), checkpoint_format_magic.size());
  if (done)
    done = out.append(trailer.view());
  return done ? out.flush() : done;
}

status give_name(const fs::path& unfinished, const fs::path& path, existing_file existing) {
  if (existing == existing_file::replaced)
    return ::rename(unfinished.c_str(), path.c_str()) == 0 ? status{} : write_error(path, errno);
  int result = ::renameat2(AT_FDCWD, unfinished.c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE);
  if (result != 0 && (errno == EINVAL || errno == ENOSYS)) { // a file system that cannot do that
    result = ::link(unfinished.c_str(), path.c_str());
    if (result == 0)
      ::unlink(unfinished.c_str());
  }
  if (result == 0)
    return {};
  if (errno == EEXIST)
    return file_exists(path);
  return write_error(path, errno);
}

} // namespace

error file_exists(const fs::path& path) {
  return {errc::in_use, "there is a file " + path.string() + " already, and it is not replaced: give another name, or "
                        "remove it"};
}

result<completed_checkpoint> write_checkpoint_file(const fs::path& path, const std::string& job,
                                                   const manifest& content, const blob_writer& write_blobs,
                                                   existing_file existing) {
  const std::string name = "." + path.filename().string() + "." + std::to_string(::getpid()) + ".new";
  const fs::path unfinished = path.parent_path() / name;
  file_descriptor file(
      ::open(unfinished.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!file.is_open())
    return write_error(unfinished, errno);
  file_writer out(unfinished, file);
  status done = write_all(out, job, content, write_blobs);
  if (done && ::fsync(file.number()) != 0)
    done = write_error(unfinished, errno);
  if (done)
    done = give_name(unfinished, path, existing);
  if (done)
    if (const int cause = sync_directory(path.parent_path().string()); cause != 0)
      done = write_error(path, cause);
  if (done)
    return content.checkpoint;
  std::error_code ignored;
  fs::remove(unfinished, ignored);
  return done.failure();
}

result<checkpoint_file> checkpoint_file::open(const fs::path& path) {
  const file_descriptor opened(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!opened.is_open())
    return file_error(errc::io, "read", path.string(), errno);
  checkpoint_file made(path);
  if (const status read = made.read_description(opened); !read)
    return error{read.failure().code,
                 path.string() + (read.failure().code == errc::corrupt ? " is damaged: " : " ") +
                     read.failure().message};
  return made;
}

namespace {

result<bytes> read(const file_descriptor& file, std::uint64_t offset, std::uint64_t size) {
  bytes content(size, '\0');
  for (std::size_t done = 0; done < size;) {
    const ssize_t n = ::pread(file.number(), content.data() + done, size - done,
                              static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return error{errc::io, "it cannot be read: " + errno_text(errno)};
    if (n == 0)
      return error{errc::corrupt, "the file ends before it"};
    done += static_cast<std::size_t>(n);
  }
  return content;
}

result<bytes> read_sealed(const file_descriptor& file, std::uint64_t offset, std::uint64_t end,
                          const char* name) {
  const auto value = read(file, offset, end - offset);
  if (!value)
    return in_context(name, value.failure());
  const auto content = unsealed(*value);
  if (!content)
    return in_context(name, content.failure());
  return bytes(*content);
}

} // namespace

status checkpoint_file::read_description(const file_descriptor& file) {
  struct stat about {};
  if (::fstat(file.number(), &about) != 0)
    return error{errc::io, "cannot be read: " + errno_text(errno)};
  const auto size = static_cast<std::uint64_t>(about.st_size);
  const auto head = read(file, 0, std::min<std::uint64_t>(size, head_size));
  if (!head)
    return head.failure();
  if (head->size() != head_size || !head->starts_with(checkpoint_format_magic))
    return error{errc::corrupt, "it does not begin as a checkpoint of Weir does"};
  const auto version =
      byte_reader(std::string_view(*head).substr(checkpoint_format_magic.size())).read_raw<std::uint32_t>();
  if (version != checkpoint_format_version)
    return error{errc::wrong_version, "has checkpoint format " + std::to_string(version) +
                                          "; this program reads and writes format " +
                                          std::to_string(checkpoint_format_version)};
  if (size < head_size + trailer_size)
    return error{errc::corrupt, "it was cut short"};
  const auto trailer = read(file, size - trailer_size, trailer_size);
  if (!trailer)
    return trailer.failure();
  byte_reader in(*trailer);
  const auto index_at = in.read_raw<std::uint64_t>();
  const auto manifest_at = in.read_raw<std::uint64_t>();
  const auto end = in.read_raw<std::uint64_t>();
  if (in.read_raw<std::uint64_t>() != hash_bytes(trailer->data(), 24) || end != size - trailer_size ||
      !trailer->ends_with(checkpoint_format_magic) || index_at > manifest_at || manifest_at > end)
    return error{errc::corrupt, "it was cut short, or its last bytes were changed"};
  const auto index = read_sealed(file, index_at, manifest_at, "its index");
  if (!index)
    return index.failure();
  const auto description = read_sealed(file, manifest_at, end, "its manifest");
  if (!description)
    return description.failure();
  auto decoded = decode_manifest(*description);
  if (!decoded)
    return in_context("its manifest", decoded.failure());
  manifest_ = std::move(*decoded);
  try {
    byte_reader blobs(*index);
    job_ = blobs.read_text();
    for (std::uint64_t left = blobs.read_size(); left != 0; --left) {
      const std::string key(blobs.read_text());
      offsets_[key] = blobs.read_raw<std::uint64_t>();
    }
  } catch (const malformed_bytes& problem) {
    return error{errc::corrupt, std::string("its index: ") + problem.what()};
  }
  return {};
}

result<bytes> checkpoint_file::read_blob(const blob_reference& blob) const {
  const auto found = offsets_.find(blob.key.encoded());
  if (found == offsets_.end())
    return error{errc::corrupt, "it is missing"};
  const file_descriptor file(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open())
    return error{errc::io, "it cannot be read: " + errno_text(errno)};
  auto content = read(file, found->second, blob.bytes);
  if (content && hash_bytes(content->data(), content->size()) != blob.checksum)
    return error{errc::corrupt, "its checksum does not fit"};
  return content;
}

} // namespace weir::detail
