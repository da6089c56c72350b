#include <weir/actors/operator_error.hpp>

#include <cstdlib>
#include <exception>
#include <memory>
#include <typeinfo>

#include <cxxabi.h>

namespace weir {

namespace {

std::string demangled(const char* name) {
  int state = 0;
  const std::unique_ptr<char, void (*)(void*)> text(
      abi::__cxa_demangle(name, nullptr, nullptr, &state), &std::free);
  return text ? text.get() : name;
}

} // namespace

std::string current_exception_text() {
  try {
    throw;
  } catch (const operator_error& failure) {
    return failure.what();
  } catch (const std::exception& failure) {
    return demangled(typeid(failure).name()) + ": " + failure.what();
  } catch (const std::string& text) {
    return text;
  } catch (const char* text) {
    return text;
  } catch (...) {
    const std::type_info* type = abi::__cxa_current_exception_type();
    return "an exception of type " + (type ? demangled(type->name()) : std::string("unknown"));
  }
}

} // namespace weir
