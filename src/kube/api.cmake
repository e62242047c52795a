# The client of the API server: a library of its own, without gRPC. libcurl is loaded at run time,
# never linked: only its header is needed here.
tranche_add_library(kube_api
  HEADERS api_client.h api_config.h api_credentials.h api_http.h api_reply.h api_throttle.h
          api_watch.h api_watch_lines.h curl_exchange.h curl_library.h curl_transport.h kubeconfig.h
  SOURCES api_client.cc api_config.cc api_credentials.cc api_reply.cc api_throttle.cc api_watch.cc
          api_watch_lines.cc curl_exchange.cc curl_library.cc curl_transport.cc kubeconfig.cc
  DEPENDS tranche::base
  PRIVATE fmt::fmt yaml-cpp ${CMAKE_DL_LIBS})
target_include_directories(tranche_kube_api SYSTEM PUBLIC ${CURL_INCLUDE_DIRECTORY})

# A server for its tests, which says what they have it say.
tranche_add_library(kube_api_server_testing
  HEADERS testing/api_server.h
  SOURCES testing/api_server.cc
  DEPENDS tranche::base
  PRIVATE fmt::fmt)
tranche_add_test(kube_api_test
  SOURCES api_client_test.cc api_watch_test.cc kubeconfig_test.cc
  DEPENDS tranche::kube_api tranche::kube_api_server_testing)

# TLS before it, and what that shows. Only the tests are linked with OpenSSL: libcurl brings its own.
tranche_add_library(kube_tls_testing
  HEADERS testing/certificates.h testing/tls_front.h
  SOURCES testing/certificates.cc testing/tls_front.cc
  DEPENDS tranche::base
  PRIVATE fmt::fmt OpenSSL::SSL)
tranche_add_test(kube_tls_test
  SOURCES api_tls_test.cc
  DEPENDS tranche::kube_api tranche::kube_api_server_testing tranche::kube_tls_testing)
