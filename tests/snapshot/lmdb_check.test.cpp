#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <string>

#include <doctest/doctest.h>

#include <weir/state/lmdb.hpp>
#include <weir/snapshot/lmdb_check.hpp>

#include <snapshot/store_samples.hpp>
#include <support/temporary_directory.hpp>

using namespace weir;
using namespace weir::detail;
using namespace weir::testing;

namespace {

constexpr std::uint64_t map_size = std::uint64_t{256} << 20;

lmdb_environment open_environment(const std::filesystem::path& file) {
  return expect(lmdb_environment::open({file, map_size}, lmdb_durability::relaxed));
}

void write_file(const std::filesystem::path& path, std::string_view content) {
  std::ofstream{path, std::ios::binary} << content;
}

} // namespace

TEST_CASE("a sound LMDB file passes after any mixture of writes and deletions") {
  temporary_directory directory;
  const std::filesystem::path file = directory / "any.mdb";
  std::minstd_rand random{4711};
  for (int round = 0; round < 25; ++round) {
    {
      auto environment = open_environment(file);
      for (int i = 0; i < 12; ++i) {
        auto transaction = expect(environment.begin_write());
        const auto first = expect(transaction.create_database("first"));
        const auto second = expect(transaction.create_database("second"));
        const int writes = static_cast<int>(random() % 120);
        for (int k = 0; k < writes; ++k) {
          const std::string key(1 + random() % 60, static_cast<char>('a' + random() % 26));
          const std::size_t size = random() % 4 == 0 ? random() % 40000 : random() % 300;
          expect(transaction.write(random() % 2 ? first : second,
                                   key + std::to_string(random() % 900), std::string(size, 'v')));
        }
        auto cursor = expect(transaction.cursor(random() % 2 ? first : second));
        const unsigned share = 1 + static_cast<unsigned>(random() % 4);
        for (bool here = expect(cursor.first()); here; here = expect(cursor.next()))
          if (random() % 4 < share - 1)
            expect(cursor.erase());
        if (random() % 5 != 0) {
          { const auto gone = std::move(cursor); }
          expect(transaction.commit());
        }
      }
    }
    const lmdb_page_counts pages = expect(check_lmdb_file(file));
    CHECK(pages.used + pages.free == pages.total);
  }
}

TEST_CASE("what is not an LMDB file at all is named and refused") {
  temporary_directory directory;
  const std::filesystem::path file = directory / "f.mdb";
  const std::string page(4096, 'x');
  for (const std::string& content :
       {std::string{}, std::string{"short"}, page, page + page + page, std::string(100000, '\0')}) {
    write_file(file, content);
    const auto checked = check_lmdb_file(file);
    REQUIRE_FALSE(checked);
    CHECK(checked.failure().code == errc::corrupt);
    CHECK(has(checked.failure(), file.string()));
  }
  CHECK(check_lmdb_file(directory / "absent").failure().code == errc::io);
  CHECK(check_lmdb_file(directory.path()).failure().code == errc::corrupt);
}

TEST_CASE("a file that was cut anywhere within what it uses is refused") {
  temporary_directory directory;
  const std::filesystem::path file = directory / "f.mdb";
  {
    auto environment = open_environment(file);
    auto transaction = expect(environment.begin_write());
    const auto database = expect(transaction.create_database("d"));
    for (int i = 0; i < 300; ++i)
      expect(transaction.write(database, std::to_string(i), std::string(i * 20, 'v')));
    expect(transaction.commit());
  }
  const std::uint64_t size = std::filesystem::file_size(file);
  expect(check_lmdb_file(file));
  for (std::uint64_t cut = size - 1; cut > 8192; cut -= std::min<std::uint64_t>(cut, 3001)) {
    std::filesystem::resize_file(file, cut);
    const auto checked = check_lmdb_file(file);
    REQUIRE_FALSE(checked);
    CHECK(checked.failure().code == errc::corrupt);
  }
}

TEST_CASE("a map that the address space has no room for is an error that says so") {
  temporary_directory directory;
  const auto opened = lmdb_environment::open({directory / "f.mdb", std::uint64_t{1} << 60},
                                             lmdb_durability::durable);
  REQUIRE_FALSE(opened);
  CHECK(opened.failure().code == errc::capacity);
  CHECK(has(opened.failure(), "address space"));
  CHECK(has(opened.failure(), "checkpoint.map-size"));
}
