// A kubeconfig as hostile bytes, and what the client makes of it: an address to connect to, and
// credentials that become header lines.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "apiserver/credentials.h"
#include "apiserver/curl_exchange.h"
#include "apiserver/curl_library.h"
#include "apiserver/kubeconfig.h"
#include "base/status.h"

namespace {

namespace apiserver = tranche::apiserver;

constexpr std::size_t kMaxMessage = 4096;

// What is told to people has no control byte in it, and an end.
void CheckMessage(const tranche::base::Status& status) {
  TRANCHE_CHECK(!status.message().empty() && status.message().size() <= kMaxMessage);
  TRANCHE_CHECK(std::ranges::none_of(status.message(),
                                     [](char c) { return (c >= 0 && c < ' ') || c == '\x7f'; }));
}

std::string Encoded(std::string_view bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const std::string_view group = bytes.substr(at, 3);
    unsigned bits = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      bits = (bits << 8U) | (i < group.size() ? static_cast<unsigned char>(group[i]) : 0U);
    }
    for (unsigned i = 0; i < 4; ++i) {
      out.push_back(i <= group.size() ? kDigits[(bits >> (18 - 6 * i)) & 63U] : '=');
    }
  }
  return out;
}

void CheckBase64(std::string_view text) {
  if (const auto decoded = tranche::apiserver::DecodeBase64(text); decoded.ok()) {
    TRANCHE_CHECK(decoded->size() <= text.size() / 4 * 3);
    TRANCHE_CHECK(tranche::apiserver::DecodeBase64(Encoded(*decoded)).value() == *decoded);
  }
  TRANCHE_CHECK(tranche::apiserver::DecodeBase64(Encoded(text)).value() == text);
}

// One of the two, with nothing in it that ends a C string early.
void CheckSource(const std::string& data, const std::string& file) {
  TRANCHE_CHECK(data.empty() || file.empty());
  TRANCHE_CHECK(file.empty() || file.starts_with('/'));
  TRANCHE_CHECK(file.find('\0') == std::string::npos);
}

void CheckConfig(const tranche::apiserver::ApiConfig& config) {
  TRANCHE_CHECK(config.server.find("://") != std::string::npos);
  TRANCHE_CHECK(config.server.find('\0') == std::string::npos);
  TRANCHE_CHECK(config.where.starts_with("/k/config, context "));
  CheckSource(config.ca_data, config.ca_file);
  CheckSource(config.certificate_data, config.certificate_file);
  CheckSource(config.key_data, config.key_file);
  CheckSource("", config.token_file);
  TRANCHE_CHECK(!config.insecure_skip_tls_verify ||
                (config.ca_data.empty() && config.ca_file.empty()));
}

// The address is https, or http to this machine; whatever the text was.
void CheckAddress(const tranche::apiserver::ApiConfig& config) {
  static const auto curl = tranche::apiserver::CurlLibrary::Load();
  if (!curl.ok()) return;
  const auto address = tranche::apiserver::ParseServer(*curl, config);
  if (!address.ok()) return CheckMessage(address.status());
  const std::string& url = address->url;
  TRANCHE_CHECK(url.starts_with("https://") || url.starts_with("http://"));
  TRANCHE_CHECK(!url.ends_with('/') && url.find_first_of("?# \r\n") == std::string::npos);
  // A user would stand before the host; in a path an @ is a character like others.
  const std::string_view rest = std::string_view(url).substr(url.find("://") + 3);
  TRANCHE_CHECK(rest.substr(0, rest.find('/')).find('@') == std::string_view::npos);
  TRANCHE_CHECK(address->host.find_first_of("\r\n") == std::string::npos);
}

// Names of files are left alone here: they are anybody's.
void CheckCredentials(tranche::apiserver::ApiConfig config) {
  config.ca_file.clear();
  config.certificate_file.clear();
  config.key_file.clear();
  config.token_file.clear();
  const auto credentials = tranche::apiserver::CredentialSource(config).Read();
  if (!credentials.ok()) return CheckMessage(credentials.status());
  TRANCHE_CHECK(
      std::ranges::all_of(credentials->token, [](char c) { return c > ' ' && c < '\x7f'; }));
  TRANCHE_CHECK(credentials->certificate.empty() == credentials->key.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  CheckBase64(text);
  const auto config = tranche::apiserver::ParseKubeconfig(text, "/k/config", "");
  if (!config.ok()) {
    CheckMessage(config.status());
    return 0;
  }
  CheckConfig(*config);
  CheckAddress(*config);
  CheckCredentials(*config);
  return 0;
}
