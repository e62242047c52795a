// libmicrohttpd is linked statically and without TLS, which this server does not use: its shared
// library would load GnuTLS and what that is built on, in every program, for nothing. These are the
// names that libmicrohttpd asks GnuTLS for. None but the first two is ever called.
#include "http/server.h"

namespace {

[[noreturn]] void NoTls() { tranche::base::Crash(__FILE__, __LINE__, "there is no TLS here"); }

}  // namespace

#define TRANCHE_NO_TLS(name) \
  extern "C" [[gnu::visibility("hidden")]] void name() { NoTls(); }

// NOLINTBEGIN(readability-identifier-naming): the names are GnuTLS's.
extern "C" {
[[gnu::visibility("hidden")]] int gnutls_global_init() { return 0; }
[[gnu::visibility("hidden")]] void gnutls_global_deinit() {}
[[gnu::visibility("hidden")]] extern void* (*gnutls_malloc)(std::size_t);
void* (*gnutls_malloc)(std::size_t) = nullptr;
}
TRANCHE_NO_TLS(gnutls_alpn_set_protocols)
TRANCHE_NO_TLS(gnutls_bye)
TRANCHE_NO_TLS(gnutls_certificate_allocate_credentials)
TRANCHE_NO_TLS(gnutls_certificate_free_credentials)
TRANCHE_NO_TLS(gnutls_certificate_server_set_request)
TRANCHE_NO_TLS(gnutls_certificate_set_dh_params)
TRANCHE_NO_TLS(gnutls_certificate_set_retrieve_function2)
TRANCHE_NO_TLS(gnutls_certificate_set_retrieve_function3)
TRANCHE_NO_TLS(gnutls_certificate_set_x509_key_mem)
TRANCHE_NO_TLS(gnutls_certificate_set_x509_key_mem2)
TRANCHE_NO_TLS(gnutls_certificate_set_x509_trust_mem)
TRANCHE_NO_TLS(gnutls_cipher_get)
TRANCHE_NO_TLS(gnutls_credentials_set)
TRANCHE_NO_TLS(gnutls_deinit)
TRANCHE_NO_TLS(gnutls_dh_params_deinit)
TRANCHE_NO_TLS(gnutls_dh_params_import_pkcs3)
TRANCHE_NO_TLS(gnutls_dh_params_init)
TRANCHE_NO_TLS(gnutls_handshake)
TRANCHE_NO_TLS(gnutls_init)
TRANCHE_NO_TLS(gnutls_priority_deinit)
TRANCHE_NO_TLS(gnutls_priority_init)
TRANCHE_NO_TLS(gnutls_priority_set)
TRANCHE_NO_TLS(gnutls_protocol_get_version)
TRANCHE_NO_TLS(gnutls_psk_allocate_server_credentials)
TRANCHE_NO_TLS(gnutls_psk_free_server_credentials)
TRANCHE_NO_TLS(gnutls_psk_set_server_credentials_function)
TRANCHE_NO_TLS(gnutls_record_check_pending)
TRANCHE_NO_TLS(gnutls_record_get_direction)
TRANCHE_NO_TLS(gnutls_record_recv)
TRANCHE_NO_TLS(gnutls_record_send)
TRANCHE_NO_TLS(gnutls_session_get_ptr)
TRANCHE_NO_TLS(gnutls_session_set_ptr)
TRANCHE_NO_TLS(gnutls_strerror)
TRANCHE_NO_TLS(gnutls_transport_set_int2)
// NOLINTEND(readability-identifier-naming)
