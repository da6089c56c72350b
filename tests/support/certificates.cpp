#include <support/certificates.hpp>

#include <cstdlib>

#include <doctest/doctest.h>

namespace weir::testing {

certificates::certificates(const std::string& authority) {
  const std::string order = WEIR_MAKE_CERTIFICATES " '" + directory_.path().string() + "' '" + authority + "' one two";
  REQUIRE_MESSAGE(std::system(order.c_str()) == 0, order);
}

} // namespace weir::testing
