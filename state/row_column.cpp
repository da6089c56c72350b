#include <weir/state/row_column.hpp>

#include <chrono>

namespace weir {

expiry::expiry(const time_to_live& how)
    : how_(how), after_(how.is_set() ? std::max<std::int64_t>(
                                           1, std::chrono::ceil<std::chrono::milliseconds>(how.after).count())
                                     : 0) {}

} // namespace weir
