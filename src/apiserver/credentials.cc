#include "apiserver/credentials.h"

#include <algorithm>

#include "base/file.h"
#include "base/text.h"

namespace tranche::apiserver {

using base::Code;
using base::Result;
using base::Status;

namespace {

constexpr std::size_t kMaxPemBytes = 1U << 20;     // a system's bundle is 200 KiB
constexpr std::size_t kMaxTokenBytes = 64U << 10;  // a header must hold it

std::string Trimmed(const std::string& text) { return std::string(base::Trim(text, " \t\r\n")); }

// It becomes a header: nothing in it may end one (RFC 6750 allows less still).
bool IsToken(const std::string& text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c < '\x7f'; });
}

}  // namespace

Status CredentialSource::ReadPem(const std::string& data, const std::string& file, const char* what,
                                 const char* marker, std::string& out) {
  if (data.empty() && file.empty()) return Status::Ok();
  std::string text = data;
  std::string name = what;
  if (data.empty()) {
    auto read = base::ReadFile(file, kMaxPemBytes);
    if (!read.ok()) {
      if (!out.empty()) return Status::Ok();
      return {Code::kFailedPrecondition, name + ": " + read.status().message()};
    }
    text = std::move(read).value();
    name += " " + file;
  }
  if (text.find(marker) == std::string::npos) {
    if (!out.empty()) return Status::Ok();  // being rewritten
    return {Code::kFailedPrecondition, name + " is not PEM: it has no \"" + marker + "\""};
  }
  out = std::move(text);
  return Status::Ok();
}

Status CredentialSource::ReadToken() {
  std::string token = config_.token;
  if (!config_.token_file.empty()) {
    const auto read = base::ReadFile(config_.token_file, kMaxTokenBytes);
    if (read.ok() && !Trimmed(*read).empty()) {
      token = *read;
    } else if (!last_.token.empty()) {
      return Status::Ok();
    } else if (token.empty()) {
      return {Code::kFailedPrecondition,
              "bearer token: " +
                  (read.ok() ? config_.token_file + " is empty" : read.status().message())};
    }
  }
  token = Trimmed(token);
  if (!IsToken(token)) {
    return {Code::kFailedPrecondition, "the bearer token has characters that no token has"};
  }
  last_.token = std::move(token);
  return Status::Ok();
}

Result<Credentials> CredentialSource::Read() {
  constexpr const char* kCertificate = "-----BEGIN CERTIFICATE-----";
  TRANCHE_TRY(ReadPem(config_.ca_data, config_.ca_file, "CA certificate", kCertificate, last_.ca));
  TRANCHE_TRY(ReadPem(config_.certificate_data, config_.certificate_file, "client certificate",
                      kCertificate, last_.certificate));
  // "RSA PRIVATE KEY", "EC PRIVATE KEY", "PRIVATE KEY".
  TRANCHE_TRY(
      ReadPem(config_.key_data, config_.key_file, "client key", "PRIVATE KEY-----", last_.key));
  if (last_.certificate.empty() != last_.key.empty()) {
    return Status(Code::kFailedPrecondition,
                  last_.key.empty() ? "there is a client certificate, but no key for it"
                                    : "there is a client key, but no certificate for it");
  }
  TRANCHE_TRY(ReadToken());
  return last_;
}

}  // namespace tranche::apiserver
