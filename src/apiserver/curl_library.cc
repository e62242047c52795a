#include "apiserver/curl_library.h"

#include <dlfcn.h>

#include "base/log.h"

namespace tranche::apiserver {

using base::Code;
using base::Result;
using base::Status;

namespace {

// A function pointer out of what dlsym gives (POSIX: they convert).
template <class Function>
void Find(void* handle, const char* name, Function*& function, std::string& missing) {
  function = reinterpret_cast<Function*>(dlsym(handle, name));
  if (function == nullptr && missing.empty()) missing = name;
}

}  // namespace

Result<CurlLibrary> CurlLibrary::Load(const std::string& name) {
  // OpenSSL, which comes with it, does not bear being unloaded.
  void* handle = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (handle == nullptr) {
    const char* error = dlerror();
    return Status(Code::kNotFound,
                  "libcurl is needed to speak to the API server (Debian: libcurl4): " +
                      base::Printable(error == nullptr ? "unknown loader error" : error));
  }
  CurlLibrary library;
  std::string missing;
#define TRANCHE_CURL_FIND(function) Find(handle, "curl_" #function, library.function, missing);
  TRANCHE_CURL_FUNCTIONS(TRANCHE_CURL_FIND)
#undef TRANCHE_CURL_FIND
  if (!missing.empty()) return Status(Code::kNotFound, name + " is too old: it has no " + missing);
  if (const CURLcode code = library.global_init(CURL_GLOBAL_DEFAULT); code != CURLE_OK) {
    return Status(Code::kUnavailable, name + ": " + library.easy_strerror(code));
  }
  return library;
}

}  // namespace tranche::apiserver
