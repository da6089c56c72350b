#include <weir/runtime/job_access.hpp>

#include <weir/runtime/protocol.hpp>

namespace weir {

void job_access::tell(job_order order) const {
  tell_anonymously(supervisor_, job_ordered{std::move(order)});
}

void job_access::tell(rescale_order order) const {
  tell_anonymously(supervisor_, rescale_ordered{std::move(order)});
}

void job_access::tell(status_order order) const {
  tell_anonymously(supervisor_, status_ordered{std::move(order)});
}

} // namespace weir
