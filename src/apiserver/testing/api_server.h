// A small HTTP/1.1 server on a loopback port, for tests of the client: it says what the test has it
// say, in the pieces the test likes, and hangs up when told. On the loop's thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/event_loop.h"
#include "base/file.h"

namespace tranche::apiserver::testing {

class ApiServer {
 public:
  struct Request {
    std::string method;
    std::string target;                          // path and query
    std::map<std::string, std::string> headers;  // names in lower case
    std::string body;
    int connection = 0;  // number of the connection, from 1
  };
  using Handler = std::function<void(const Request&)>;

  ApiServer(base::EventLoop& loop, Handler handler);
  ApiServer(const ApiServer&) = delete;
  ApiServer& operator=(const ApiServer&) = delete;
  ~ApiServer();

  [[nodiscard]] int port() const { return port_; }
  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] const std::vector<Request>& requests() const { return requests_; }
  [[nodiscard]] std::size_t open_connections() const { return connections_.size(); }

  // To a request's connection.
  void Reply(const Request& request, int code, std::string_view body,
             std::string_view headers = "");
  void StartStream(const Request& request);                     // a chunked 200
  void Stream(const Request& request, std::string_view bytes);  // one chunk
  void EndStream(const Request& request);                       // the stream's proper end
  void Write(const Request& request, std::string_view raw_bytes);
  // The same bytes again and again, for as long as the client takes them.
  void WriteForEver(const Request& request, const std::string& raw_bytes,
                    base::Duration pause = {});
  // Once everything is written.
  void HangUp(const Request& request);

  // Stops and starts to accept, on the same port; stopping cuts what is open.
  void Down();
  void Up();

 private:
  struct Connection {
    base::UniqueFd fd;
    base::EventLoop::WatchId watch = 0;
    std::string in;
    std::string out;  // what the socket has not taken yet
    bool hangs_up = false;
  };

  void Accept();
  void Read(int number);
  bool TakeRequest(int number);
  void Flush(int number);
  void Close(int number);

  base::EventLoop& loop_;
  Handler handler_;
  int port_ = 0;
  base::UniqueFd listener_;
  base::EventLoop::WatchId watch_ = 0;
  std::map<int, Connection> connections_;
  std::vector<Request> requests_;
  int last_connection_ = 0;
};

}  // namespace tranche::apiserver::testing
