#include <weir/runtime/cluster/tls.hpp>

#include <array>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <utility>

#include <fcntl.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include <weir/base/file_descriptor.hpp>
#include <weir/base/units.hpp>

namespace weir {

namespace {

struct deleter {
  void operator()(SSL_CTX* context) const { ::SSL_CTX_free(context); }
  void operator()(X509_STORE_CTX* check) const { ::X509_STORE_CTX_free(check); }
};
using tls_context = std::unique_ptr<SSL_CTX, deleter>;
using certificate_check = std::unique_ptr<X509_STORE_CTX, deleter>;

struct named_file {
  const char* setting;
  const std::filesystem::path& path;
};

error wrong(const named_file& file, const std::string& what) {
  return {errc::invalid_setting, std::string(file.setting) + ": " + what};
}

status check_readable(const named_file& file) {
  const file_descriptor opened(::open(file.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!opened.is_open())
    return wrong(file, "cannot read the file " + in_quotes(file.path.string()) + ": " + errno_text(errno));
  std::error_code failure;
  if (!std::filesystem::is_regular_file(file.path, failure)) // it is read for every connection
    return wrong(file, "expected a file, found something else: " + in_quotes(file.path.string()));
  return {};
}

/// "found ...: no start line"
std::string found_in(const named_file& file) {
  std::string text = ", found something else in " + in_quotes(file.path.string());
  if (const std::string why = take_tls_failure(); !why.empty())
    text += ": " + why;
  return text;
}

/// Asks nobody for a password: OpenSSL would do so at the terminal, and wait.
int no_password(char*, int, int, void*) {
  return -1;
}

status check_chain(SSL_CTX* context, const named_file& certificate, const named_file& authorities) {
  const certificate_check check(::X509_STORE_CTX_new());
  STACK_OF(X509)* between = nullptr;
  ::SSL_CTX_get0_chain_certs(context, &between);
  if (check && ::X509_STORE_CTX_init(check.get(), ::SSL_CTX_get_cert_store(context), ::SSL_CTX_get0_certificate(context),
                                     between) == 1 &&
      ::X509_verify_cert(check.get()) == 1)
    return {};
  const int why = check ? ::X509_STORE_CTX_get_error(check.get()) : X509_V_ERR_OUT_OF_MEM;
  take_tls_failure();
  return wrong(certificate, "the certificate in " + in_quotes(certificate.path.string()) + " is not valid: " +
                                ::X509_verify_cert_error_string(why) +
                                ". Expected one that is valid today and signed by one in " +
                                in_quotes(authorities.path.string()) + " (" + authorities.setting + ")");
}

} // namespace

std::string take_tls_failure() {
  std::string first, last; // the first one is the cause of the others, and the last one says what it was about
  while (const unsigned long number = ::ERR_get_error())
    if (const char* const reason = ::ERR_reason_error_string(number)) {
      last = reason;
      if (first.empty())
        first = last;
    }
  return first == last ? first : last + " (" + first + ")";
}

status check_tls(const cluster_config& config) {
  const named_file authorities{"cluster.tls-ca", config.tls_ca}, certificate{"cluster.tls-cert", config.tls_cert},
      key{"cluster.tls-key", config.tls_key};
  const std::array all{authorities, certificate, key};
  std::string there, missing;
  for (const named_file& file : all) {
    std::string& list = file.path.empty() ? missing : there;
    list += (list.empty() ? "" : " and ") + std::string(file.setting);
  }
  if (there.empty())
    return {};
  if (!missing.empty())
    return error{errc::invalid_setting, there + " without " + missing + ": encrypted connections need all three files " +
                                            "(--tls-ca, --tls-cert, --tls-key); give all, or none"};
  for (const named_file& file : all)
    if (status readable = check_readable(file); !readable)
      return readable;
  take_tls_failure();
  const tls_context context(::SSL_CTX_new(::TLS_method()));
  if (!context)
    return error{errc::io, "OpenSSL cannot be used: " + take_tls_failure()};
  ::SSL_CTX_set_default_passwd_cb(context.get(), no_password);
  if (::SSL_CTX_use_certificate_chain_file(context.get(), config.tls_cert.c_str()) != 1)
    return wrong(certificate, "expected a certificate in PEM form" + found_in(certificate));
  if (::SSL_CTX_use_PrivateKey_file(context.get(), config.tls_key.c_str(), SSL_FILETYPE_PEM) != 1)
    return wrong(key, "expected the private key, in PEM form and without a password, of the certificate in " +
                          in_quotes(config.tls_cert.string()) + " (cluster.tls-cert)" + found_in(key));
  if (::SSL_CTX_load_verify_locations(context.get(), config.tls_ca.c_str(), nullptr) != 1)
    return wrong(authorities, "expected certificates in PEM form" + found_in(authorities));
  return check_chain(context.get(), certificate, authorities);
}

} // namespace weir
