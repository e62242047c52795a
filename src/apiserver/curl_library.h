// CurlLibrary is libcurl.so.4, loaded at first use and never unloaded. Linking it would make every
// program of ours load some thirty shared objects at its start.
//
// Threading: Load may be called on any thread; for the functions, what curl promises of each holds.
// Errors: kNotFound where there is no libcurl, or one that is too old.
#pragma once

#include <curl/curl.h>

#include <string>

#include "base/status.h"

namespace tranche::apiserver {

// The functions that we call. Those that take options are variadic: a number is a long.
// clang-format off
#define TRANCHE_CURL_FUNCTIONS(X) \
  X(global_init) X(easy_init) X(easy_setopt) X(easy_getinfo) X(easy_strerror) X(easy_cleanup) \
  X(slist_append) X(slist_free_all) X(url) X(url_set) X(url_get) X(url_cleanup) X(free) \
  X(multi_init) X(multi_setopt) X(multi_add_handle) X(multi_remove_handle) \
  X(multi_socket_action) X(multi_info_read) X(multi_cleanup)
// clang-format on

struct CurlLibrary {
// NOLINTNEXTLINE(bugprone-macro-parentheses): a name that is declared takes none
#define TRANCHE_CURL_MEMBER(name) decltype(&curl_##name) name = nullptr;
  TRANCHE_CURL_FUNCTIONS(TRANCHE_CURL_MEMBER)
#undef TRANCHE_CURL_MEMBER

  // kNotFound: there is none, or one that is too old. `name` is for tests.
  static base::Result<CurlLibrary> Load(const std::string& name = "libcurl.so.4");
};

}  // namespace tranche::apiserver
