#include <weir/runtime/cluster/shared_settings.hpp>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <weir/base/file_descriptor.hpp>
#include <weir/base/hash.hpp>
#include <weir/runtime/settings.hpp>
#include <weir/runtime/settings_reader.hpp>

namespace weir {

namespace {

bool is_of_one_process(std::string_view key) {
  constexpr std::array own{"checkpoint.dir", "checkpoint.discard", "checkpoint.restore-from", "from", "state.directory",
                           "threads", "cluster.listen", "cluster.join", "cluster.ha", "cluster.host", "cluster.slots",
                           "cluster.workers", "cluster.tls-ca", "cluster.tls-cert", "cluster.tls-key"};
  return std::ranges::find(own, key) != own.end() || key.starts_with("log.");
}

} // namespace

setting_texts shared_settings(const job_config& config, const option_table& options) {
  setting_texts texts;
  for (const setting& row : settings())
    if (!is_of_one_process(row.key))
      if (std::string text = row.show(config); !text.empty())
        texts.emplace_back(row.key, std::move(text));
  for (const job_option& option : options.options())
    texts.emplace_back(job_option_key(option.name), option.show());
  return texts;
}

result<job_config> with_shared_settings(const job_config& own, const option_table& options, const setting_texts& texts) {
  settings_reader reader(own, options);
  for (const auto& [key, text] : texts)
    reader.assign(key, text, "the coordinator's " + key);
  reader.check(false);
  if (reader.problems().empty())
    return reader.config();
  std::string all;
  for (const std::string& problem : reader.problems())
    all += (all.empty() ? "" : "\n") + problem;
  return error{errc::invalid_setting, all};
}

std::uint64_t topology_digest(const topology_graph& graph) {
  std::string text = graph.name + '\n';
  for (const operator_node& node : graph.operators) {
    text += node.name + '\t' + node.uid + '\t' + node.kind + '\t' + std::to_string(node.parallelism) + '\t' +
            std::to_string(node.inputs) + (node.is_keyed ? "k" : "") + (node.may_chain ? "c" : "");
    for (const std::string& type : node.outputs)
      text += '\t' + type;
    text += '\n';
  }
  for (const graph_edge& edge : graph.edges)
    text += std::to_string(edge.from) + '.' + std::to_string(edge.output) + '-' + std::to_string(edge.to) + '.' +
            std::to_string(edge.input) + '\t' + std::to_string(static_cast<int>(edge.how)) + '\t' + edge.key_type + '\t' +
            (edge.codec ? edge.codec->type() : std::string()) + '\n';
  return hash_bytes(text.data(), text.size());
}

std::uint64_t program_digest() {
  static const std::uint64_t digest = [] {
    const file_descriptor file(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
    struct stat known {};
    if (!file.is_open() || ::fstat(file.number(), &known) != 0 || known.st_size == 0)
      return std::uint64_t{0};
    const auto size = static_cast<std::size_t>(known.st_size);
    void* const content = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.number(), 0);
    if (content == MAP_FAILED)
      return std::uint64_t{0};
    const std::uint64_t made = hash_bytes(content, size);
    ::munmap(content, size);
    return made;
  }();
  return digest;
}

} // namespace weir
