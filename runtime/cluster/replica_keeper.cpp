#include <weir/runtime/cluster/replica_keeper.hpp>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <string>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>

#include <weir/base/file_descriptor.hpp>
#include <weir/base/log.hpp>

namespace weir {

namespace {

namespace fs = std::filesystem;

constexpr int most_workers = 1024; // that share a directory
constexpr const char* temporary_prefix = "weir-worker-";

/// What workers that were killed have left: nobody holds its lock. One that was just made has none yet.
void remove_abandoned(const fs::path& parent) {
  std::error_code code;
  for (fs::directory_iterator at(parent, code); !code && at != fs::directory_iterator(); at.increment(code)) {
    const fs::directory_entry entry = *at;
    std::error_code ignored;
    if (!entry.path().filename().string().starts_with(temporary_prefix) ||
        fs::file_time_type::clock::now() - entry.last_write_time(ignored) < std::chrono::minutes{1} || ignored)
      continue;
    const file_descriptor owner(::open((entry.path() / "owner").c_str(), O_RDWR | O_CLOEXEC));
    if (owner.number() >= 0 && ::flock(owner.number(), LOCK_EX | LOCK_NB) == 0)
      fs::remove_all(entry.path(), ignored);
  }
}

} // namespace

replica_directory::replica_directory(fs::path checkpoint_directory) : parent_(std::move(checkpoint_directory)) {}

replica_directory::~replica_directory() {
  store_.reset();
  std::error_code ignored;
  if (!temporary_.empty())
    fs::remove_all(temporary_, ignored);
}

result<fs::path> replica_directory::make_temporary() {
  std::error_code code;
  fs::path parent = fs::temp_directory_path(code);
  if (code)
    parent = "/tmp";
  remove_abandoned(parent);
  std::string pattern = (parent / (std::string(temporary_prefix) + "XXXXXX")).string();
  if (!::mkdtemp(pattern.data()))
    return error{errc::io, "cannot make a directory " + pattern + " for copies of checkpoints: " + errno_text(errno) +
                               ". Give the worker one (--checkpoint-dir)"};
  return fs::path(pattern);
}

result<std::shared_ptr<checkpoint_store>> replica_directory::open(const std::string& job, const checkpoint_config& shared) {
  if (store_)
    return store_;
  checkpoint_config config = shared;
  config.storage = checkpoint_storage::lmdb_file;
  config.discard = true;
  config.from.clear();
  if (parent_.empty() && temporary_.empty()) {
    auto made = make_temporary();
    if (!made)
      return std::move(made.failure());
    temporary_ = std::move(*made);
  }
  for (int number = 0;; ++number) {
    config.directory = parent_.empty() ? temporary_ : parent_ / "workers" / std::to_string(number);
    auto opened = checkpoint_store::open(job, config);
    if (opened) {
      log_debug("keeping copies of checkpoints", {{"job", job}, {"directory", config.directory.string()}});
      return store_ = std::move(*opened);
    }
    // Another worker's, or one of another job.
    const errc code = opened.failure().code;
    if ((code != errc::in_use && code != errc::state_mismatch) || parent_.empty() || number + 1 == most_workers)
      return std::move(opened.failure());
  }
}

replica_keeper_actor::replica_keeper_actor(caf::actor_config& setup, std::shared_ptr<replica_directory> directory,
                                           caf::actor worker)
    : actor_base(setup), directory_(std::move(directory)), worker_(std::move(worker)) {
  ignore_unknown_messages(*this);
}

caf::behavior replica_keeper_actor::make_behavior() {
  return {
      [this](const open_replicas& order) { open(order); },
      [this](const order_to_keeper& order) { answer(order); },
  };
}

void replica_keeper_actor::on_exit() {
  store_.reset();
  directory_.reset();
  worker_ = nullptr;
}

void replica_keeper_actor::open(const open_replicas& order) {
  auto opened = directory_->open(order.job, order.config);
  if (!opened) {
    tell(*this, worker_, replicas_opened{std::move(opened.failure()), {}});
    return;
  }
  store_ = std::move(*opened);
  status read = read_held();
  tell(*this, worker_, replicas_opened{std::move(read), held_});
}

/// What cannot be read just now is as it was.
status replica_keeper_actor::read_held() {
  auto known = store_->list();
  if (!known)
    return std::move(known.failure());
  const auto last = store_->continue_after({});
  if (!last)
    return last.failure();
  held_ = {std::move(*known), *last};
  return {};
}

void replica_keeper_actor::answer(const order_to_keeper& order) {
  replica_answered answer{.question = order.question, .code = {}, .problem = {}, .held = {}, .contents = {}};
  const status outcome = store_ ? std::visit([&](const auto& one) { return carry_out(one, answer); }, order.order)
                             : status{error{errc::io, "it keeps no copies"}};
  if (!outcome) {
    answer.code = outcome.failure().code;
    answer.problem = outcome.failure().message;
  }
  if (store_) {
    if (const status read = read_held(); !read)
      log_warning("copies of checkpoints cannot be listed", {{"reason", read.failure().message}});
    answer.held = held_;
  }
  tell(*this, worker_, send_message{encoded_message(to_coordinator{std::move(answer)})});
}

status replica_keeper_actor::carry_out(const keep_replica& order, replica_answered&) {
  if (const auto stored = store_->store(order.checkpoint, order.operators, order.keep_from); !stored)
    return stored.failure();
  return {};
}

status replica_keeper_actor::carry_out(const fetch_replica& order, replica_answered& answer) {
  auto contents = store_->load(order.checkpoint);
  if (!contents)
    return std::move(contents.failure());
  answer.contents.checkpoint = contents->checkpoint;
  for (const operator_snapshot& one : contents->operators) {
    auto read = with_all_data(one, [](key_group) { return true; });
    if (!read)
      return std::move(read.failure());
    answer.contents.operators.push_back(std::move(*read));
  }
  return {};
}

status replica_keeper_actor::carry_out(const forget_replicas& order, replica_answered&) {
  for (const checkpoint_id id : order.checkpoints)
    if (status removed = store_->remove(id); !removed && removed.failure().code != errc::invalid_setting)
      return removed;
  return {};
}

status replica_keeper_actor::carry_out(const note_attempt& order, replica_answered&) {
  if (const auto counted = store_->continue_after(order.attempt); !counted)
    return counted.failure();
  return {};
}

} // namespace weir
