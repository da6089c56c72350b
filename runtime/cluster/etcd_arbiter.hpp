#pragma once

#include <memory>
#include <string_view>

#include <weir/runtime/cluster/arbiter.hpp>

namespace weir {

/// An etcd cluster as the arbiter: its interface v3, in JSON over HTTP. `members` as parse_etcd_members reads them.
///
/// Errors: invalid_setting.
result<std::shared_ptr<arbiter>> connect_to_etcd(std::string_view members);

} // namespace weir
