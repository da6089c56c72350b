#pragma once

#include <filesystem>
#include <string>

#include <support/temporary_directory.hpp>
#include <weir/runtime/cluster/cluster_config.hpp>

namespace weir::testing {

/// An authority, and processes with certificates that it has signed: "one" and "two".
class certificates {
 public:
  explicit certificates(const std::string& authority);

  std::filesystem::path file(const std::string& name) const { return directory_ / name; }

  cluster_config config_of(const std::string& name) const {
    cluster_config config;
    config.tls_ca = file("ca.pem");
    config.tls_cert = file(name + ".pem");
    config.tls_key = file(name + ".key");
    return config;
  }

 private:
  temporary_directory directory_;
};

} // namespace weir::testing
