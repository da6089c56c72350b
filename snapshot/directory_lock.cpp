#include <weir/snapshot/directory_lock.hpp>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <ctime>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <string>
#include <sys/file.h>
#include <sys/vfs.h>
#include <thread>
#include <unistd.h>

namespace weir {

namespace {

constexpr std::size_t longest_description = 4096;
constexpr int attempts = 10;
constexpr std::chrono::milliseconds pause{20};

std::string host_name() {
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  return name.data();
}

std::string command_line() {
  std::ifstream file{"/proc/self/cmdline", std::ios::binary};
  std::string text{std::istreambuf_iterator<char>{file}, {}};
  while (!text.empty() && text.back() == '\0')
    text.pop_back();
  for (char& c : text)
    if (static_cast<unsigned char>(c) < ' ')
      c = ' ';
  if (text.size() > 1000)
    text = text.substr(0, 1000) + "...";
  return text;
}

std::string now_text() {
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text.data();
}

std::string describe_this_process() {
  return "pid " + std::to_string(::getpid()) + "\nhost " + host_name() + "\nsince " + now_text() +
         "\ncommand " + command_line() + "\n";
}

struct owner {
  std::string pid, host, since, command;

  bool is_known() const { return !pid.empty(); }
  bool is_this_process() const { return pid == std::to_string(::getpid()) && host == host_name(); }
  bool has_ended() const {
    if (host != host_name() || pid.find_first_not_of("0123456789") != std::string::npos ||
        pid.empty() || pid.size() > 9)
      return false;
    return ::kill(std::stoi(pid), 0) != 0 && errno == ESRCH;
  }
};

owner read_owner(int descriptor) {
  std::string text(longest_description, '\0');
  const ssize_t size = ::pread(descriptor, text.data(), text.size(), 0);
  text.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
  owner found;
  for (const auto& [name, field] : {std::pair{std::string{"pid "}, &owner::pid},
                                    {std::string{"host "}, &owner::host},
                                    {std::string{"since "}, &owner::since},
                                    {std::string{"command "}, &owner::command}}) {
    const std::size_t start = text.starts_with(name) ? 0 : text.find("\n" + name);
    if (start == std::string::npos)
      continue;
    const std::size_t from = start + name.size() + (start == 0 ? 0 : 1);
    found.*field = text.substr(from, text.find('\n', from) - from);
  }
  return found;
}

error refusal(const std::filesystem::path& directory, const owner& first) {
  const std::string place = "the checkpoint directory " + directory.string() + " is in use";
  const std::string advice =
      "; wait for it to end or stop it, or give this job a directory of its own "
      "(checkpoint.dir)";
  if (!first.is_known())
    return {errc::in_use, place + " by another process, which has not said which it is" + advice};
  if (first.is_this_process())
    return {errc::in_use,
            place + " by this very process, since " + first.since +
                "; a job opens its directory once, and two jobs need two directories"};
  const std::string who = " by process " + first.pid + " on " + first.host + " (" + first.command +
                          "), since " + first.since;
  if (first.has_ended())
    return {errc::in_use, place + who +
                              ". That process has ended, but a child of it still holds the "
                              "directory: end that one (fuser " +
                              (directory / "owner").string() + " names it)"};
  return {errc::in_use, place + who + advice};
}

} // namespace

std::optional<std::string_view> detail::network_file_system(std::uint64_t type) {
  switch (type & 0xFFFFFFFF) {
  case 0x6969: return "NFS";
  case 0xFF534D42:
  case 0xFE534D42: return "CIFS (SMB)";
  case 0x517B: return "SMB";
  case 0x01021997: return "9p";
  case 0x00C36400: return "Ceph";
  case 0x5346414F: return "AFS";
  case 0x0BD00BD0: return "Lustre";
  default: return std::nullopt;
  }
}

result<directory_lock> directory_lock::acquire(const std::filesystem::path& directory,
                                               bool shared_storage) {
  struct statfs file_system {};
  if (::statfs(directory.c_str(), &file_system) != 0)
    return error{errc::io, "cannot use the checkpoint directory " + directory.string() + ": " +
                               errno_text(errno)};
  const auto name = detail::network_file_system(static_cast<std::uint64_t>(file_system.f_type));
  if (name && !shared_storage)
    return error{errc::invalid_setting,
                 "the checkpoint directory " + directory.string() +
                     " is on a network file system (" + std::string{*name} +
                     "), where checkpoints would not be safe; set checkpoint.dir to a "
                     "directory on a local disk, or state.backend to `directory`"};

  const std::filesystem::path file = directory / "owner";
  const int descriptor = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor < 0)
    return error{errc::io, "cannot open " + file.string() + ": " + errno_text(errno) +
                               "; the job must be allowed to write there"};
  directory_lock lock{descriptor};
  for (int attempt = 1; ::flock(descriptor, LOCK_EX | LOCK_NB) != 0; ++attempt) {
    if (errno == EINTR)
      continue;
    const int number = errno;
    const owner first = read_owner(descriptor);
    if (number == EWOULDBLOCK && attempt < attempts && !first.is_this_process()) {
      std::this_thread::sleep_for(pause);
      continue;
    }
    ::close(std::exchange(lock.descriptor_, -1));
    if (number == EWOULDBLOCK)
      return refusal(directory, first);
    return error{errc::io, "cannot lock " + file.string() + ": " + errno_text(number)};
  }

  // The lock is what counts. On a full disk the description is missing, and nothing else.
  const std::string text = describe_this_process();
  [[maybe_unused]] const bool described =
      ::ftruncate(descriptor, 0) == 0 && ::pwrite(descriptor, text.data(), text.size(), 0) > 0;
  return lock;
}

directory_lock::~directory_lock() {
  if (descriptor_ < 0)
    return;
  // Closing would not release it while a child that was forked without exec lives.
  [[maybe_unused]] const int truncated = ::ftruncate(descriptor_, 0);
  ::flock(descriptor_, LOCK_UN);
  ::close(descriptor_);
}

} // namespace weir
