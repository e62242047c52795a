#include "apiserver/curl_exchange.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>

#include "base/log.h"

namespace tranche::apiserver {

using base::Code;
using base::Result;
using base::Status;

namespace {

// A peer that is gone without a word is noticed after 30 + 3 × 10 seconds.
constexpr long kKeepAliveIdleSeconds = 30;
constexpr long kKeepAliveIntervalSeconds = 10;
constexpr int kKeepAliveProbes = 3;
constexpr std::size_t kMaxErrorBytes = 64U << 10;  // of a reply that reports a failure

bool IsLoopback(std::string host) {
  if (host == "localhost") return true;
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  in_addr four{};
  if (inet_pton(AF_INET, host.c_str(), &four) == 1) return (ntohl(four.s_addr) >> 24U) == 127;
  in6_addr six{};
  return inet_pton(AF_INET6, host.c_str(), &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

std::string UrlPart(const CurlLibrary& curl, CURLU* url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (curl.url_get(url, part, &text, flags) != CURLUE_OK) return "";
  std::string copy = text;
  curl.free(text);
  return copy;
}

// Also an empty one, as in https://@host and https://:password@host, which libcurl does not report
// as a user. In a path an @ is a character like others.
bool HasUser(std::string_view url) {
  const std::string_view rest = url.substr(url.find("://") + 3);
  return rest.substr(0, rest.find('/')).find('@') != std::string_view::npos;
}

Result<ApiServerAddress> ReadUrl(const CurlLibrary& curl, CURLU* url, const ApiConfig& config) {
  const auto refused = [&](const std::string& why) {
    return Status(Code::kInvalidArgument,
                  "API server " + base::Printable(config.server, 200) + ": " + why);
  };
  if (curl.url_set(url, CURLUPART_URL, config.server.c_str(), 0) != CURLUE_OK) {
    return refused("not a URL like https://HOST:PORT");
  }
  const std::string scheme = UrlPart(curl, url, CURLUPART_SCHEME);
  const std::string host = UrlPart(curl, url, CURLUPART_HOST);
  if (scheme != "https" && scheme != "http") return refused("only https is spoken");
  const bool has_secret = !config.token.empty() || !config.token_file.empty() ||
                          !config.key_file.empty() || !config.key_data.empty();
  if (scheme == "http" && !IsLoopback(host) && (has_secret || !config.plain_http)) {
    return refused("http is for a loopback address only; use https");
  }
  if (HasUser(UrlPart(curl, url, CURLUPART_URL)) || !UrlPart(curl, url, CURLUPART_QUERY).empty() ||
      !UrlPart(curl, url, CURLUPART_FRAGMENT).empty()) {
    return refused("a server's URL has no user, query or fragment");
  }
  ApiServerAddress address;
  if (!config.tls_server_name.empty() && config.tls_server_name != host) {
    // curl checks the certificate against the URL's host: the URL gets the certificate's name, and
    // the connection goes where the server is.
    const std::string port = UrlPart(curl, url, CURLUPART_PORT, CURLU_DEFAULT_PORT);
    address.connect_to = config.tls_server_name + ":" + port + ":" + host + ":" + port;
    address.host = host + ":" + port;
    if (curl.url_set(url, CURLUPART_HOST, config.tls_server_name.c_str(), 0) != CURLUE_OK) {
      return refused("the TLS server name is no host name");
    }
  }
  address.url = UrlPart(curl, url, CURLUPART_URL);
  while (address.url.ends_with('/')) address.url.pop_back();
  return address;
}

const char* MethodName(Method method) {
  switch (method) {
    case Method::kGet:
      return "GET";
    case Method::kPost:
      return "POST";
    case Method::kPut:
      return "PUT";
    case Method::kPatch:
      return "PATCH";
    case Method::kDelete:
      return "DELETE";
  }
  return "GET";
}

long Milliseconds(base::Duration duration) {
  // 0 would be no limit.
  return std::max(
      1L, static_cast<long>(std::chrono::ceil<std::chrono::milliseconds>(duration).count()));
}

}  // namespace

Result<ApiServerAddress> ParseServer(const CurlLibrary& curl, const ApiConfig& config) {
  CURLU* url = curl.url();
  if (url == nullptr) return Status(Code::kResourceExhausted, "libcurl: out of memory");
  auto address = ReadUrl(curl, url, config);
  curl.url_cleanup(url);
  return address;
}

CurlExchange::CurlExchange(const CurlLibrary& curl, HttpRequest request, HttpOwner owner)
    : curl_(curl), request_(std::move(request)), owner_(std::move(owner)) {}

CurlExchange::~CurlExchange() {
  if (easy_ != nullptr) curl_.easy_cleanup(easy_);
  curl_.slist_free_all(headers_);
  curl_.slist_free_all(connect_to_);
}

Result<std::shared_ptr<CurlExchange>> CurlExchange::New(const CurlLibrary& curl,
                                                        const ApiServerAddress& server,
                                                        const ApiConfig& config,
                                                        const std::string& user_agent,
                                                        const Credentials& credentials,
                                                        HttpRequest request, HttpOwner owner) {
  auto exchange = std::make_shared<CurlExchange>(curl, std::move(request), std::move(owner));
  TRANCHE_TRY(exchange->Prepare(server, config, user_agent, credentials));
  return exchange;
}

template <class Value>
void CurlExchange::Set(CURLoption option, Value value) {
  const CURLcode code = curl_.easy_setopt(easy_, option, value);
  if (set_error_ == CURLE_OK) set_error_ = code;
}

void CurlExchange::SetBlob(CURLoption option, const std::string& bytes) {
  if (bytes.empty()) return;
  curl_blob blob{};
  blob.data = const_cast<char*>(bytes.data());  // copied by curl, as the flag says
  blob.len = bytes.size();
  blob.flags = CURL_BLOB_COPY;
  Set(option, &blob);
}

void CurlExchange::AddHeader(const std::string& line) {
  curl_slist* longer = curl_.slist_append(headers_, line.c_str());
  if (longer == nullptr) {
    set_error_ = CURLE_OUT_OF_MEMORY;
  } else {
    headers_ = longer;
  }
}

void CurlExchange::SetMethod() {
  if (request_.method == Method::kGet) {
    Set(CURLOPT_HTTPGET, 1L);
    return;
  }
  if (!request_.body.empty() || request_.method != Method::kDelete) {
    Set(CURLOPT_POST, 1L);
    Set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.body.size()));
    Set(CURLOPT_POSTFIELDS, request_.body.c_str());  // not copied: request_ lives as long
    AddHeader("Content-Type: " + request_.content_type);
    AddHeader("Expect:");  // no round trip before a long body
  }
  Set(CURLOPT_CUSTOMREQUEST, MethodName(request_.method));
}

void CurlExchange::SetTls(const ApiConfig& config, const Credentials& credentials) {
  Set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  Set(CURLOPT_SSL_VERIFYPEER, config.insecure_skip_tls_verify ? 0L : 1L);
  Set(CURLOPT_SSL_VERIFYHOST, config.insecure_skip_tls_verify ? 0L : 2L);
  SetBlob(CURLOPT_CAINFO_BLOB, credentials.ca);
  // It takes the place of the machine's file of authorities, but not of its folder of them.
  if (!credentials.ca.empty()) Set(CURLOPT_CAPATH, static_cast<const char*>(nullptr));
  SetBlob(CURLOPT_SSLCERT_BLOB, credentials.certificate);
  SetBlob(CURLOPT_SSLKEY_BLOB, credentials.key);
  Set(CURLOPT_KEYPASSWD, "");  // OpenSSL would ask the terminal for it
}

Status CurlExchange::Prepare(const ApiServerAddress& server, const ApiConfig& config,
                             const std::string& user_agent, const Credentials& credentials) {
  const bool clean =
      std::ranges::all_of(request_.path, [](char c) { return c > ' ' && c < '\x7f'; });
  if (!request_.path.starts_with('/') || !clean) {
    return {Code::kInvalidArgument, "not a path: " + base::Printable(request_.path, 200)};
  }
  easy_ = curl_.easy_init();
  if (easy_ == nullptr) return {Code::kResourceExhausted, "libcurl: out of memory"};
  server_ = config.server;
  Set(CURLOPT_PRIVATE, this);
  Set(CURLOPT_ERRORBUFFER, error_.data());
  Set(CURLOPT_NOSIGNAL, 1L);
  Set(CURLOPT_URL, (server.url + request_.path).c_str());
  Set(CURLOPT_PATH_AS_IS, 1L);
  Set(CURLOPT_USERAGENT, user_agent.c_str());
  Set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  Set(CURLOPT_FOLLOWLOCATION, 0L);
  Set(CURLOPT_PROXY, config.proxy_url.c_str());  // "" is none, whatever the environment says
  Set(CURLOPT_NOPROXY, config.proxy_url.empty() ? "*" : "");
  Set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  Set(CURLOPT_TIMEOUT_MS, Milliseconds(request_.deadline));
  Set(CURLOPT_TCP_KEEPALIVE, 1L);
  Set(CURLOPT_TCP_KEEPIDLE, kKeepAliveIdleSeconds);
  Set(CURLOPT_TCP_KEEPINTVL, kKeepAliveIntervalSeconds);
  Set(CURLOPT_SOCKOPTFUNCTION, &OnSocket);
  Set(CURLOPT_HEADERFUNCTION, &OnHeader);
  Set(CURLOPT_HEADERDATA, this);
  Set(CURLOPT_WRITEFUNCTION, &OnBody);
  Set(CURLOPT_WRITEDATA, this);
  if (!server.connect_to.empty()) {
    connect_to_ = curl_.slist_append(nullptr, server.connect_to.c_str());
    Set(CURLOPT_CONNECT_TO, connect_to_);
    AddHeader("Host: " + server.host);
  }
  SetMethod();
  SetTls(config, credentials);
  if (!request_.accept.empty()) AddHeader("Accept: " + request_.accept);
  if (!credentials.token.empty()) AddHeader("Authorization: Bearer " + credentials.token);
  Set(CURLOPT_HTTPHEADER, headers_);
  if (set_error_ == CURLE_OK) return Status::Ok();
  return {Code::kFailedPrecondition, std::string("libcurl: ") + curl_.easy_strerror(set_error_)};
}

int CurlExchange::OnSocket(void* /*self*/, curl_socket_t fd, curlsocktype /*purpose*/) {
  // Best effort: without it the kernel's own number of probes holds.
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &kKeepAliveProbes, sizeof(kKeepAliveProbes));
  return CURL_SOCKOPT_OK;
}

std::size_t CurlExchange::OnHeader(const char* bytes, std::size_t size, std::size_t count,
                                   void* self) {
  auto& exchange = *static_cast<CurlExchange*>(self);
  const std::string_view line(bytes, size * count);
  // The empty line ends the head; 1xx replies have heads too.
  if (line != "\r\n" && line != "\n") return line.size();
  long code = 0;
  exchange.curl_.easy_getinfo(exchange.easy_, CURLINFO_RESPONSE_CODE, &code);
  if (code < 200 || exchange.answered_) return line.size();  // or a trailer's end
  exchange.reply_.code = static_cast<int>(code);
  exchange.answered_ = true;
  exchange.opened_ = code < 300 && exchange.owner_.opened;
  curl_off_t seconds = 0;
  if (exchange.curl_.easy_getinfo(exchange.easy_, CURLINFO_RETRY_AFTER, &seconds) == CURLE_OK) {
    exchange.reply_.retry_after = std::chrono::seconds(std::clamp<curl_off_t>(seconds, 0, 3600));
  }
  return line.size();
}

std::size_t CurlExchange::OnBody(const char* bytes, std::size_t size, std::size_t count,
                                 void* self) {
  return static_cast<CurlExchange*>(self)->TakeBody({bytes, size * count});
}

std::size_t CurlExchange::TakeBody(std::string_view bytes) {
  const bool success = reply_.code >= 200 && reply_.code < 300;
  if (success && owner_.data) {
    data_.append(bytes);
    return bytes.size();
  }
  const std::size_t limit =
      success ? request_.max_reply_bytes : std::min(request_.max_reply_bytes, kMaxErrorBytes);
  if (reply_.body.size() + bytes.size() <= limit) {
    reply_.body.append(bytes);
    return bytes.size();
  }
  // A failure's text is cut, and still a failure.
  too_big_ = success;
  if (!success) return bytes.size();
  return 0;  // fewer than there are: curl ends the transfer
}

Result<HttpReply> CurlExchange::Finish(CURLcode code) {
  if (too_big_) {
    return Status(Code::kResourceExhausted, "the API server's reply is larger than " +
                                                std::to_string(request_.max_reply_bytes) +
                                                " bytes");
  }
  if (code == CURLE_OK && answered_) return std::move(reply_);
  // To curl, a connection that ends within the head is the end of it.
  if (code == CURLE_OK) code = CURLE_GOT_NOTHING;
  const std::string_view detail = error_.data();
  const std::string why = base::Printable(detail.empty() ? curl_.easy_strerror(code) : detail, 500);
  if (code == CURLE_SSL_CONNECT_ERROR) {
    // OpenSSL's words for a signature by another key of the same name speak of "asn1 encoding".
    return Status(Code::kUnavailable,
                  "API server " + server_ +
                      ": no TLS connection (is its certificate another authority's?): " + why);
  }
  const Code late = code == CURLE_OPERATION_TIMEDOUT ? Code::kDeadlineExceeded : Code::kUnavailable;
  return Status(late, "API server " + server_ + ": " + why);
}

}  // namespace tranche::apiserver
