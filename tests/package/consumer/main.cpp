#include <cstdint>
#include <iostream>
#include <string>
#include <vector>

#include <weir/actors/sources/collection.hpp>
#include <weir/runtime/main.hpp>
#include <weir/runtime/topology.hpp>

int main(int argc, char** argv) {
  weir::topology job{"consumer"};
  job.source("numbers", weir::collection{std::vector<std::int64_t>{2, 3, 4, 5, 6}})
      .map("parity", [](std::int64_t n) { return std::string(n % 2 == 0 ? "even" : "odd"); })
      .key_by([](const std::string& parity) { return parity; })
      .count("count", weir::emit::at_end)
      .sink("result", [](const weir::counted<std::string>& parity) {
        std::cout << parity.key << ' ' << parity.count << '\n';
      });
  return weir::main(job, argc, argv);
}
