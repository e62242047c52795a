#include "base/http_server.h"

#include <arpa/inet.h>
#include <civetweb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

#include "base/file.h"
#include "base/weak_runner.h"

namespace tranche::base {

namespace {

constexpr auto kAnswerTimeout = std::chrono::seconds(5);

// One request waiting for the loop. Shared by the server's thread and the loop, because either may
// be the last to look at it.
struct Waiting {
  std::mutex mutex;
  std::condition_variable ready;
  std::optional<HttpAnswer> answer;  // guarded by mutex
};

class CivetServer : public HttpServer {
 public:
  explicit CivetServer(EventLoop& loop) : runner_(loop) {}

  ~CivetServer() override {
    // mg_stop waits for the server's threads, which may be waiting for this very thread: let go.
    stopping_ = true;
    if (context_ != nullptr) Stop();
  }

  Status Listen(const std::string& listen) {
    // Two threads: one request may wait for a busy loop while the kubelet's probe is still heard.
    const char* options[] = {
        "listening_ports",   listen.c_str(), "num_threads", "2", "request_timeout_ms", "6000",
        "enable_keep_alive", "no",           nullptr};
    const mg_callbacks callbacks{};
    context_ = mg_start(&callbacks, nullptr, options);
    if (context_ == nullptr) {
      return {Code::kUnavailable, "cannot listen on " + listen + " (is the port taken?)"};
    }
    std::array<mg_server_port, 2> ports{};
    if (mg_get_server_ports(context_, static_cast<int>(ports.size()), ports.data()) > 0) {
      port_ = ports[0].port;
    }
    mg_set_request_handler(context_, "/", &CivetServer::OnRequest, this);
    return Status::Ok();
  }

  [[nodiscard]] int port() const override { return port_; }

  void Handle(const std::string& path, std::function<HttpAnswer()> handler) override {
    handlers_[path] = std::move(handler);  // loop thread, like every reader of it
  }

 private:
  // The listener sees that it is to end only when its poll of 2 s does, or when somebody connects.
  void Stop() {
    std::atomic<bool> stopping = false;
    std::atomic<bool> stopped = false;
    std::thread stopper([&] {
      stopping = true;
      mg_stop(context_);
      stopped = true;
    });
    sockaddr_in self{};
    self.sin_family = AF_INET;
    self.sin_port = htons(static_cast<std::uint16_t>(port_));
    self.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    // Not before: a connection that is still taken is dropped unclosed.
    while (!stopping) std::this_thread::yield();
    while (!stopped) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      const UniqueFd poke(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
      // Where nobody listens on the loopback address it only takes the 2 s.
      static_cast<void>(connect(poke.get(), reinterpret_cast<sockaddr*>(&self), sizeof(self)));
    }
    stopper.join();
  }

  static int OnRequest(mg_connection* connection, void* self) {
    const mg_request_info* info = mg_get_request_info(connection);
    const std::string_view method = info->request_method;
    HttpAnswer answer;
    if (method != "GET" && method != "HEAD") {
      answer = {.status = 405, .body = "only GET and HEAD are served here\n"};
    } else {
      answer = static_cast<CivetServer*>(self)->Ask(info->local_uri);
    }
    const std::string_view reason = mg_get_response_code_text(connection, answer.status);
    mg_printf(connection,
              "HTTP/1.1 %d %.*s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
              "Cache-Control: no-store\r\nConnection: close\r\n\r\n",
              answer.status, static_cast<int>(reason.size()), reason.data(),
              answer.content_type.c_str(), answer.body.size());
    if (method != "HEAD") mg_write(connection, answer.body.data(), answer.body.size());
    return answer.status;
  }

  // On a server thread.
  HttpAnswer Ask(const std::string& path) {
    if (stopping_) return {.status = 503, .body = "stopping\n"};
    auto waiting = std::make_shared<Waiting>();
    runner_.Post([this, waiting, path] {
      HttpAnswer answer = Answer(path);
      std::lock_guard answer_lock(waiting->mutex);
      waiting->answer = std::move(answer);
      waiting->ready.notify_one();
    });
    std::unique_lock lock(waiting->mutex);
    // Wake up now and then to notice that the server is going away.
    for (auto waited = std::chrono::milliseconds(0); waited < kAnswerTimeout;
         waited += std::chrono::milliseconds(50)) {
      if (waiting->ready.wait_for(lock, std::chrono::milliseconds(50),
                                  [&] { return waiting->answer.has_value(); })) {
        return *waiting->answer;
      }
      if (stopping_) return {.status = 503, .body = "stopping\n"};
    }
    return {.status = 503, .body = "the event loop has not answered for 5 s\n"};
  }

  // On the loop.
  HttpAnswer Answer(const std::string& path) {
    const auto it = handlers_.find(path);
    if (it != handlers_.end()) return it->second();
    std::string known;
    for (const auto& [name, handler] : handlers_) known += name + "\n";
    return {.status = 404, .body = "not found; served here:\n" + known};
  }

  mg_context* context_ = nullptr;
  int port_ = 0;
  std::map<std::string, std::function<HttpAnswer()>> handlers_;
  std::atomic<bool> stopping_ = false;  // read by the server's threads, which the destructor joins
  WeakRunner runner_;                   // last: it goes first
};

}  // namespace

Result<std::unique_ptr<HttpServer>> NewHttpServer(EventLoop& loop, const std::string& listen) {
  auto server = std::make_unique<CivetServer>(loop);
  TRANCHE_TRY(server->Listen(listen));
  return std::unique_ptr<HttpServer>(std::move(server));
}

}  // namespace tranche::base
