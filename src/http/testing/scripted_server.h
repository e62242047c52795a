// ScriptedServer is a small HTTP/1.1 server on a loopback port that says what its owner has it say,
// in the pieces that the owner likes, and hangs up when told: for tests of a client, and for what
// stands in for an API server.
//
// It trusts its clients as far as they are in the owner's hands. Still each of them is bounded: one
// that asks at great length, asks nonsense, or does not take what it is sent is cut off, and where
// there are too many connections the oldest one makes room.
//
// Threading: the loop's thread.
// Errors: without a listener that is given to it, the process ends where no port can be had.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/event_loop.h"
#include "base/file.h"
#include "http/tcp_listener.h"

namespace tranche::http::testing {

class ScriptedServer {
 public:
  static constexpr std::size_t kMaxConnections = 64;
  static constexpr std::size_t kMaxRequestBytes = 1 << 20;
  static constexpr std::size_t kMaxWaitingBytes = 64 << 20;  // for a client that is slow

  struct Request {
    std::string method;
    std::string target;                          // path and query
    std::map<std::string, std::string> headers;  // names in lower case
    std::string body;
    int connection = 0;  // number of the connection, from 1
  };
  using Handler = std::function<void(const Request&)>;

  ScriptedServer(base::EventLoop& loop, Handler handler);
  ScriptedServer(base::EventLoop& loop, TcpListener listener, Handler handler);
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;
  ~ScriptedServer();

  [[nodiscard]] int port() const { return port_; }
  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] const std::vector<Request>& requests() const { return requests_; }
  [[nodiscard]] std::size_t open_connections() const { return connections_.size(); }
  // Whether the connection that the request came on is still open.
  [[nodiscard]] bool IsOpen(const Request& request) const {
    return connections_.contains(request.connection);
  }

  // To a request's connection; no effect once that is closed.
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
  void Listen(TcpListener listener);
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
  static bool ReadHead(std::string_view head, Request& request);
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

}  // namespace tranche::http::testing
