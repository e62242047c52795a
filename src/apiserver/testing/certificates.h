// Keys and certificates for tests of TLS, made anew for each run: P-256, valid for a day.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace tranche::apiserver::testing {

// PEM, both.
struct KeyPair {
  std::string certificate;
  std::string key;
};

struct CertificateRequest {
  std::string common_name;
  std::string addresses;  // subjectAltName: "DNS:localhost,IP:127.0.0.1"; "" for a client
  std::chrono::seconds valid_for = std::chrono::hours(24);  // negative: it has expired
  bool names_key = true;  // of the authority (authorityKeyIdentifier)
};

// As a kubeconfig holds it.
std::string Base64(const std::string& text);

// A certificate authority. Every one has the same name as long as none is given: what tells two
// apart is the key alone.
class Authority {
 public:
  explicit Authority(const std::string& common_name = "tranche test authority");
  Authority(const Authority&) = delete;
  Authority& operator=(const Authority&) = delete;
  ~Authority();

  [[nodiscard]] const std::string& certificate() const { return certificate_; }
  [[nodiscard]] KeyPair Sign(const CertificateRequest& request) const;
  // What OpenSSL looks for in a folder of certificates: "a1b2c3d4.0".
  [[nodiscard]] std::string HashName() const;

 private:
  struct Secret;
  std::unique_ptr<Secret> secret_;
  std::string certificate_;
};

}  // namespace tranche::apiserver::testing
