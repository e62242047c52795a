// CredentialSource reads the CA, client certificate and bearer token of an ApiConfig again for each
// request.
//
// The kubelet rotates these files, and requests are few: reading is simpler than watching.
//
// Threading: one thread at a time.
// Errors: kFailedPrecondition. Where a file cannot be read for a moment, its last good contents
// stay in use.
#pragma once

#include <string>

#include "apiserver/config.h"
#include "base/status.h"

namespace tranche::apiserver {

struct Credentials {
  std::string ca;           // PEM; "" is the system's
  std::string certificate;  // PEM; "" is none
  std::string key;
  std::string token;  // "" is none
};

class CredentialSource {
 public:
  explicit CredentialSource(ApiConfig config) : config_(std::move(config)) {}

  // kFailedPrecondition: something the configuration names is not there or not usable.
  base::Result<Credentials> Read();

 private:
  base::Status ReadPem(const std::string& data, const std::string& file, const char* what,
                       const char* marker, std::string& out);
  base::Status ReadToken();

  ApiConfig config_;
  Credentials last_;
};

}  // namespace tranche::apiserver
