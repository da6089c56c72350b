#include <weir/state/row_cursor.hpp>

#include <stdexcept>

namespace weir::detail {

void fail_without_key() {
  throw std::logic_error("a keyed state was used where there is no current key: declare it in open(), "
                         "and use it only while a record of a keyed stream is processed");
}

} // namespace weir::detail
