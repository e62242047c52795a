// CurlExchange is one curl handle, prepared from a request, and what has arrived for it. Only
// curl_transport.cc uses it.
//
// curl forbids calls into it from its own callbacks, so those only record what arrived.
//
// Threading: the transport's thread.
// Errors: New and Finish return a Status.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "apiserver/credentials.h"
#include "apiserver/curl_library.h"
#include "apiserver/http.h"

namespace tranche::apiserver {

// Where all requests go, from ApiConfig::server.
struct ApiServerAddress {
  std::string url;         // without "/" at its end
  std::string connect_to;  // CURLOPT_CONNECT_TO, where the certificate has another name
  std::string host;        // the Host header then
};
base::Result<ApiServerAddress> ParseServer(const CurlLibrary& curl, const ApiConfig& config);

class CurlExchange {
 public:
  // `config` gives proxy and verification.
  static base::Result<std::shared_ptr<CurlExchange>> New(const CurlLibrary& curl,
                                                         const ApiServerAddress& server,
                                                         const ApiConfig& config,
                                                         const std::string& user_agent,
                                                         const Credentials& credentials,
                                                         HttpRequest request, HttpOwner owner);
  CurlExchange(const CurlLibrary& curl, HttpRequest request, HttpOwner owner);
  CurlExchange(const CurlExchange&) = delete;
  CurlExchange& operator=(const CurlExchange&) = delete;
  ~CurlExchange();

  // The reply, or why there is none. Call once curl has ended the transfer with `code`.
  base::Result<HttpReply> Finish(CURLcode code);

  [[nodiscard]] CURL* handle() const { return easy_; }
  [[nodiscard]] const HttpRequest& request() const { return request_; }
  [[nodiscard]] const HttpOwner& owner() const { return owner_; }
  [[nodiscard]] bool answered() const { return answered_; }
  // What has arrived since the last call.
  bool TakeOpened() { return std::exchange(opened_, false); }
  std::string TakeData() { return std::exchange(data_, {}); }
  [[nodiscard]] bool has_news() const { return opened_ || !data_.empty(); }

 private:
  static std::size_t OnHeader(const char* bytes, std::size_t size, std::size_t count, void* self);
  static std::size_t OnBody(const char* bytes, std::size_t size, std::size_t count, void* self);
  static int OnSocket(void* self, curl_socket_t fd, curlsocktype purpose);
  std::size_t TakeBody(std::string_view bytes);

  template <class Value>
  void Set(CURLoption option, Value value);
  void SetBlob(CURLoption option, const std::string& bytes);
  void AddHeader(const std::string& line);
  void SetMethod();
  void SetTls(const ApiConfig& config, const Credentials& credentials);
  base::Status Prepare(const ApiServerAddress& server, const ApiConfig& config,
                       const std::string& user_agent, const Credentials& credentials);

  CurlLibrary curl_;  // a table of pointers
  HttpRequest request_;
  HttpOwner owner_;
  CURL* easy_ = nullptr;
  curl_slist* headers_ = nullptr;
  curl_slist* connect_to_ = nullptr;
  CURLcode set_error_ = CURLE_OK;
  std::array<char, CURL_ERROR_SIZE> error_{};
  std::string server_;  // for messages
  HttpReply reply_;
  std::string data_;
  bool answered_ = false;
  bool opened_ = false;
  bool too_big_ = false;
};

}  // namespace tranche::apiserver
