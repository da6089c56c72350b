#include <algorithm>
#include <map>
#include <set>

#include <weir/base/json_text.hpp>
#include <weir/base/units.hpp>
#include <weir/snapshot/savepoint_file.hpp>

#include "opened_checkpoint.hpp"

namespace weir {

using namespace detail;

namespace {

struct blob_count {
  std::uint64_t blobs = 0;
  std::uint64_t bytes = 0;

  void add(const blob_reference& blob) {
    ++blobs;
    bytes += blob.bytes;
  }
  std::string text() const {
    return std::to_string(blobs) + (blobs == 1 ? " blob, " : " blobs, ") + rounded_size(bytes);
  }
};

/// What is stored under the checkpoint itself.
blob_count own_blobs(const manifest& of) {
  blob_count own;
  for_each_blob(of, [&](const stored_operator&, const blob_reference& blob) {
    if (blob.key.checkpoint == of.checkpoint.id)
      own.add(blob);
  });
  return own;
}

std::size_t count_operators(const manifest& of) {
  std::set<std::string_view> uids;
  for (const stored_operator& owner : of.operators)
    uids.insert(owner.uid);
  return uids.size();
}

json_object summary_of(const manifest& of) {
  json_object object;
  object.add("id", of.checkpoint.id.value)
      .add("completed", time_text(of.checkpoint.completed_at_ms))
      .add("attempt", of.checkpoint.attempt.value)
      .add("bytes", of.checkpoint.bytes)
      .add("new_bytes", own_blobs(of).bytes)
      .add("operators", count_operators(of))
      .add("key_groups", std::uint64_t{of.checkpoint.key_groups})
      .add_json("last", of.checkpoint.last ? "true" : "false");
  return object;
}

std::string watermark_text(event_time time) {
  return time == no_watermark ? "none" : time == last_watermark ? "end" : time_text(time.time_since_epoch().count());
}

} // namespace

result<outcome> list_checkpoints(const verb_words& words, output& out) {
  const auto reader = checkpoint_reader::open(words.arguments[0]);
  if (!reader)
    return reader.failure();
  const auto known = (*reader)->ids();
  if (!known)
    return known.failure();
  outcome all = outcome::good;
  text_table table({"N", "COMPLETED", "ATTEMPT", "SIZE", "NEW", "OPERATORS", ""});
  std::vector<std::string> objects;
  std::string problems;
  for (const checkpoint_id id : *known) {
    const auto read = (*reader)->read_manifest(id);
    if (!read) {
      const errc code = read.failure().code;
      if (code == errc::checkpoint || code == errc::invalid_setting)
        continue; // deleted meanwhile
      all = outcome::bad;
      table.add({to_string(id), "DAMAGED", "", "", "", "", ""});
      problems += "DAMAGED " + read.failure().message + "\n";
      objects.push_back(json_object().add("id", id.value).add("damaged", read.failure().message).text());
      continue;
    }
    const completed_checkpoint& one = read->checkpoint;
    table.add({to_string(id), time_text(one.completed_at_ms), to_string(one.attempt), rounded_size(one.bytes),
               rounded_size(own_blobs(*read).bytes), std::to_string(count_operators(*read)), one.last ? "LAST" : ""});
    objects.push_back(summary_of(*read).text());
  }
  out.write(words.as_json ? json_array(objects) + "\n" : table.text() + problems);
  return all;
}

namespace {

/// Of which other checkpoints' blobs a checkpoint refers to how many.
std::map<checkpoint_id, blob_count> shared_with(checkpoint_reader& reader, const manifest& of) {
  std::set<blob_key> own;
  for_each_blob(of, [&](const stored_operator&, const blob_reference& blob) { own.insert(blob.key); });
  std::map<checkpoint_id, blob_count> shared;
  const auto known = reader.ids();
  if (!known)
    return shared;
  for (const checkpoint_id id : *known)
    if (id != of.checkpoint.id)
      if (const auto other = reader.read_manifest(id))
        for_each_blob(*other, [&](const stored_operator&, const blob_reference& blob) {
          if (own.contains(blob.key))
            shared[id].add(blob);
        });
  return shared;
}

/// Of what was under way to an instance.
blob_count under_way(const stored_operator& one) {
  blob_count all;
  for (const stored_channel& channel : one.channels)
    all.add(channel.blob);
  return all;
}

std::string instance_json(const stored_operator& one) {
  std::uint64_t entries = 0;
  for (const stored_key_group& group : one.key_groups)
    entries += group.entries;
  return json_object()
      .add("instance", std::uint64_t{one.instance})
      .add("key_groups", one.key_groups.size())
      .add("entries", entries)
      .add("records", one.counts.in)
      .add("late", one.counts.late)
      .add("dropped", one.counts.dropped)
      .add("watermark", watermark_text(one.watermark))
      .add("bytes_under_way", under_way(one).bytes)
      .add_json("drained", one.drained ? "true" : "false")
      .text();
}

std::string instance_text(const stored_operator& one) {
  std::uint64_t entries = 0;
  for (const stored_key_group& group : one.key_groups)
    entries += group.entries;
  return "  instance " + std::to_string(one.instance) + ": " + std::to_string(one.counts.in) + " records, watermark " +
         watermark_text(one.watermark) +
         (one.key_groups.empty() ? "" : ", " + std::to_string(entries) + " keys in " +
                                            std::to_string(one.key_groups.size()) + " key groups") +
         (one.channels.empty() ? "" : ", " + rounded_size(under_way(one).bytes) + " under way on " +
                                          std::to_string(one.channels.size()) + " channels") +
         (one.drained ? ", drained" : "") + "\n";
}

std::string kind_of(const state_description& state) {
  return to_string(state.what) + (state.what == state_description::shape::broadcast ? "" : ", " + state.kind) +
         (state.expires ? ", time to live" : "");
}

} // namespace

result<outcome> show_checkpoint(const verb_words& words, output& out) {
  const auto id = parse_checkpoint_id(words.arguments[1]);
  if (!id)
    return id.failure();
  const auto opened = opened_checkpoint::open(words.arguments[0], *id);
  if (!opened)
    return opened.failure();
  const manifest& content = opened->content;
  std::map<std::string, std::vector<const stored_operator*>> instances;
  std::map<std::string, blob_count> blobs;
  std::vector<std::string> uids;
  for (const stored_operator& one : content.operators) {
    if (!instances.contains(one.uid))
      uids.push_back(one.uid);
    instances[one.uid].push_back(&one);
  }
  for_each_blob(content, [&](const stored_operator& owner, const blob_reference& blob) { blobs[owner.uid].add(blob); });
  const std::vector<state_description> states = states_of(content);
  std::vector<std::string> operators;
  std::string text;
  for (const std::string& uid : uids) {
    const std::vector<const stored_operator*>& all = instances[uid];
    std::vector<std::string> instance_objects, state_objects;
    text += "\n" + uid + ": " + (blobs[uid].blobs == 0 ? "no state" : blobs[uid].text()) + "\n";
    for (const stored_operator* one : all) {
      instance_objects.push_back(instance_json(*one));
      text += instance_text(*one);
    }
    for (const state_description& state : states) {
      if (state.uid != uid)
        continue;
      state_objects.push_back(json_object()
                                  .add("name", state.name)
                                  .add("shape", to_string(state.what))
                                  .add("kind", state.kind)
                                  .add("key_type", state.key_type)
                                  .add("type", state.type)
                                  .add_json("time_to_live", state.expires ? "true" : "false")
                                  .add("entries", state.entries)
                                  .text());
      text += "  state " + state.name + ": " + kind_of(state) + ", " +
              (state.key_type.empty() ? "" : state.key_type + " -> ") + state.type + ", " +
              std::to_string(state.entries) + " entries\n";
    }
    operators.push_back(json_object()
                            .add("uid", uid)
                            .add("parallelism", std::uint64_t{all[0]->parallelism})
                            .add("blobs", blobs[uid].blobs)
                            .add("bytes", blobs[uid].bytes)
                            .add_json("instances", json_array(instance_objects))
                            .add_json("states", json_array(state_objects))
                            .text());
  }
  std::vector<std::string> shared_objects;
  std::string shared_text;
  for (const auto& [other, count] : shared_with(*opened->reader, content)) {
    shared_objects.push_back(
        json_object().add("id", other.value).add("blobs", count.blobs).add("bytes", count.bytes).text());
    shared_text += "shared with checkpoint " + to_string(other) + ": " + count.text() + "\n";
  }
  if (words.as_json) {
    out.write(summary_of(content)
                  .add("job", opened->reader->job())
                  .add_json("by_operator", json_array(operators))
                  .add_json("shared_with", json_array(shared_objects))
                  .text() +
              "\n");
    return outcome::good;
  }
  const completed_checkpoint& one = content.checkpoint;
  out.write("checkpoint " + to_string(one.id) + " of job " + opened->reader->job() + ", complete at " +
            time_text(one.completed_at_ms) + ", attempt " + to_string(one.attempt) +
            (one.last ? ", after all input" : "") + "\n" + rounded_size(one.bytes) + ", " +
            std::to_string(one.key_groups) + " key groups; its own: " + own_blobs(content).text() + "\n" +
            shared_text + text);
  return outcome::good;
}

result<outcome> verify_checkpoints(const verb_words& words, output& out) {
  const auto reader = checkpoint_reader::open(words.arguments[0]);
  if (!reader)
    return reader.failure();
  std::vector<checkpoint_id> which;
  if (words.arguments.size() > 1) {
    const auto id = parse_checkpoint_id(words.arguments[1]);
    if (!id)
      return id.failure();
    which.push_back(*id);
  } else {
    const auto known = (*reader)->ids();
    if (!known)
      return known.failure();
    which = *known;
  }
  outcome all = outcome::good;
  const auto complain = [&](const std::string& where, const error& problem) {
    all = outcome::bad;
    out.write("DAMAGED " + where + problem.message + "\n");
  };
  if (const status structure = (*reader)->check_structure(); !structure)
    complain("", structure.failure());
  for (const checkpoint_id id : which) {
    const std::string name = "checkpoint " + to_string(id) + ": ";
    std::size_t problems = 0;
    bool is_gone = false;
    const auto verified = verify_checkpoint(**reader, id, [&](const error& problem) {
      is_gone = is_gone || problem.code == errc::checkpoint;
      if (!is_gone) {
        complain(name, problem);
        ++problems;
      }
    });
    is_gone = is_gone || (!verified && (verified.failure().code == errc::checkpoint ||
                                        verified.failure().code == errc::invalid_setting));
    if (is_gone && words.arguments.size() == 1)
      out.write(name + "deleted meanwhile\n");
    else if (is_gone)
      return verified ? error{errc::checkpoint, name + "it was deleted while it was read"} : verified.failure();
    else if (!verified)
      complain("", verified.failure());
    else if (problems == 0)
      out.write(name + "good, " + rounded_size(verified->bytes) + "\n");
  }
  return all;
}

result<outcome> remove_one_checkpoint(const verb_words& words, output& out) {
  const auto id = parse_checkpoint_id(words.arguments[1]);
  if (!id)
    return id.failure();
  if (const status removed = remove_checkpoint(words.arguments[0], *id); !removed)
    return removed.failure();
  out.write("deleted checkpoint " + to_string(*id) + "\n");
  return outcome::good;
}

result<outcome> export_savepoint(const verb_words& words, output& out) {
  const auto opened = opened_checkpoint::open(words.arguments[0], words.at);
  if (!opened)
    return opened.failure();
  const auto written = export_checkpoint(*opened->reader, opened->content.checkpoint.id, words.arguments[1]);
  if (!written)
    return written.failure();
  out.write("wrote checkpoint " + to_string(written->id) + " to " + words.arguments[1] + ", " +
            rounded_size(written->bytes) + "\n");
  return outcome::good;
}

result<outcome> import_savepoint(const verb_words& words, output& out) {
  const auto read = import_checkpoint(words.arguments[0], words.arguments[1]);
  if (!read)
    return read.failure();
  out.write("made " + words.arguments[1] + " with checkpoint " + to_string(read->id) + ", " +
            rounded_size(read->bytes) + ": start the job with --checkpoint-dir " + words.arguments[1] + "\n");
  return outcome::good;
}

} // namespace weir
