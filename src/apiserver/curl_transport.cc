#include "apiserver/curl_transport.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <unordered_map>
#include <vector>

#include "apiserver/credentials.h"
#include "apiserver/curl_exchange.h"
#include "apiserver/curl_library.h"
#include "base/file.h"
#include "base/timer.h"

namespace tranche::apiserver {

using base::Code;
using base::FdEvents;
using base::Result;
using base::Status;

namespace {

constexpr long kMaxIdleConnections = 4;

// What the transport and its transfers share. A transfer that outlives it finds nothing to do.
class Multi : public std::enable_shared_from_this<Multi> {
 public:
  using Id = std::uint64_t;

  Multi(base::EventLoop& loop, const CurlLibrary& curl, ApiConfig config, std::string user_agent)
      : loop_(loop),
        curl_(curl),
        config_(config),
        user_agent_(std::move(user_agent)),
        credentials_(std::move(config)),
        timer_(loop) {}
  Multi(const Multi&) = delete;
  Multi& operator=(const Multi&) = delete;
  ~Multi() {
    Close();
    if (multi_ != nullptr) curl_.multi_cleanup(multi_);
    for (auto& [fd, socket] : sockets_) Unwatch(socket);
  }

  Status Open() {
    auto server = ParseServer(curl_, config_);
    if (!server.ok()) return server.status();
    server_ = std::move(server).value();
    if (auto credentials = credentials_.Read(); !credentials.ok()) return credentials.status();
    multi_ = curl_.multi_init();
    if (multi_ == nullptr) return {Code::kResourceExhausted, "libcurl: out of memory"};
    curl_.multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &OnSocket);
    curl_.multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
    curl_.multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &OnTimer);
    curl_.multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
    curl_.multi_setopt(multi_, CURLMOPT_MAXCONNECTS, kMaxIdleConnections);
    return Status::Ok();
  }

  Id Start(HttpRequest request, HttpOwner owner) {
    const Id id = ++last_id_;
    auto done = owner.done;
    auto exchange = Prepare(std::move(request), std::move(owner));
    if (!exchange.ok()) {
      FailLater(id, std::move(done), exchange.status());
      return id;
    }
    Entry& entry = entries_[id];
    entry.exchange = *exchange;
    if (entry.exchange->request().answer_deadline > base::Duration::zero()) {
      entry.timer = std::make_unique<base::Timer>(loop_);
      entry.timer->Start(entry.exchange->request().answer_deadline,
                         [this, id] { CheckAnswer(id); });
    }
    if (const CURLMcode code = curl_.multi_add_handle(multi_, entry.exchange->handle());
        code != CURLM_OK) {
      entry.exchange.reset();
      FailLater(id, std::move(done), Status(Code::kUnavailable, "libcurl: no handle can be added"));
    }
    return id;
  }

  void Cancel(Id id) {
    const auto it = entries_.find(id);
    if (it == entries_.end()) return;
    if (it->second.exchange != nullptr) {
      curl_.multi_remove_handle(multi_, it->second.exchange->handle());
    }
    entries_.erase(it);
  }

  void Close() {
    while (!entries_.empty()) Cancel(entries_.begin()->first);
  }

 private:
  struct Entry {
    std::shared_ptr<CurlExchange> exchange;
    std::unique_ptr<base::Timer> timer;  // of the answer, or of a failure to report
  };
  // The loop takes a descriptor once: the second watch is of a duplicate.
  struct Socket {
    base::EventLoop::WatchId read = 0;
    base::EventLoop::WatchId write = 0;
    base::UniqueFd write_fd;
  };

  Result<std::shared_ptr<CurlExchange>> Prepare(HttpRequest request, HttpOwner owner) {
    auto credentials = credentials_.Read();
    if (!credentials.ok()) return credentials.status();
    return CurlExchange::New(curl_, server_, config_, user_agent_, *credentials, std::move(request),
                             std::move(owner));
  }

  // Calls `done` later, as all callbacks are called, and not at all once it is cancelled.
  void FailLater(Id id, std::function<void(Result<HttpReply>)> done, Status status) {
    Entry& entry = entries_[id];
    entry.timer = std::make_unique<base::Timer>(loop_);
    entry.timer->Start({}, [this, id, done = std::move(done), status = std::move(status)] {
      entries_.erase(id);
      done(status);
    });
  }

  void CheckAnswer(Id id) {
    const auto it = entries_.find(id);
    if (it == entries_.end()) return;
    if (it->second.exchange->answered()) return;
    EndTransfer(id, CURLE_OPERATION_TIMEDOUT);
  }

  void EndTransfer(Id id, CURLcode code) {
    const auto it = entries_.find(id);
    if (it == entries_.end()) return;
    const std::shared_ptr<CurlExchange> exchange = it->second.exchange;
    Cancel(id);
    exchange->owner().done(exchange->Finish(code));
  }

  static int OnTimer(CURLM* /*multi*/, long milliseconds, void* self) {
    auto& multi = *static_cast<Multi*>(self);
    multi.timer_.Stop();
    if (milliseconds >= 0) {
      multi.timer_.Start(std::chrono::milliseconds(milliseconds),
                         [&multi] { multi.Act(CURL_SOCKET_TIMEOUT, 0); });
    }
    return 0;
  }

  static int OnSocket(CURL* /*easy*/, curl_socket_t fd, int what, void* self, void* /*socket*/) {
    static_cast<Multi*>(self)->WatchSocket(fd, what);
    return 0;
  }

  void Unwatch(Socket& socket) {
    if (socket.read != 0) loop_.UnwatchFd(std::exchange(socket.read, 0));
    if (socket.write != 0) loop_.UnwatchFd(std::exchange(socket.write, 0));
    socket.write_fd = base::UniqueFd();
  }

  void WatchSocket(curl_socket_t fd, int what) {
    Socket& socket = sockets_[fd];
    Unwatch(socket);
    if (what == CURL_POLL_REMOVE) {
      sockets_.erase(fd);
      return;
    }
    if (what == CURL_POLL_IN || what == CURL_POLL_INOUT) {
      socket.read = loop_.WatchFd(fd, FdEvents::kRead, [this, fd] { Act(fd, CURL_CSELECT_IN); });
    }
    if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT) {
      int watched = fd;
      if (what == CURL_POLL_INOUT) {
        socket.write_fd = base::UniqueFd(fcntl(fd, F_DUPFD_CLOEXEC, 0));
        if (!socket.write_fd.valid()) return;  // out of descriptors: its deadline ends the request
        watched = socket.write_fd.get();
      }
      socket.write =
          loop_.WatchFd(watched, FdEvents::kWrite, [this, fd] { Act(fd, CURL_CSELECT_OUT); });
    }
  }

  void Act(curl_socket_t fd, int events) {
    const auto self = shared_from_this();  // a callback may let go of the transport
    int running = 0;
    curl_.multi_socket_action(multi_, fd, events, &running);
    std::vector<Id> with_news;
    for (const auto& [id, entry] : entries_) {
      if (entry.exchange != nullptr && entry.exchange->has_news()) with_news.push_back(id);
    }
    for (const Id id : with_news) DeliverNews(id);
    DeliverEnds();
  }

  void DeliverNews(Id id) {
    const auto it = entries_.find(id);
    if (it == entries_.end()) return;
    const std::shared_ptr<CurlExchange> exchange = it->second.exchange;
    if (exchange->TakeOpened()) exchange->owner().opened();
    if (!entries_.contains(id)) return;
    if (const std::string data = exchange->TakeData(); !data.empty()) exchange->owner().data(data);
  }

  void DeliverEnds() {
    std::vector<std::pair<CURL*, CURLcode>> ended;
    int left = 0;
    while (const CURLMsg* message = curl_.multi_info_read(multi_, &left)) {
      if (message->msg == CURLMSG_DONE) {
        ended.emplace_back(message->easy_handle, message->data.result);
      }
    }
    // By id: what one callback ends may be the next in the list.
    std::map<Id, CURLcode> codes;
    for (const auto& [easy, code] : ended) {
      for (const auto& [id, entry] : entries_) {
        if (entry.exchange != nullptr && entry.exchange->handle() == easy) codes[id] = code;
      }
    }
    for (const auto& [id, code] : codes) {
      DeliverNews(id);
      EndTransfer(id, code);
    }
  }

  base::EventLoop& loop_;
  CurlLibrary curl_;
  ApiConfig config_;
  std::string user_agent_;
  CredentialSource credentials_;
  ApiServerAddress server_;
  CURLM* multi_ = nullptr;
  std::map<Id, Entry> entries_;
  std::unordered_map<curl_socket_t, Socket> sockets_;
  base::Timer timer_;
  Id last_id_ = 0;
};

class CurlTransfer final : public HttpTransfer {
 public:
  CurlTransfer(std::weak_ptr<Multi> multi, Multi::Id id) : multi_(std::move(multi)), id_(id) {}
  CurlTransfer(const CurlTransfer&) = delete;
  CurlTransfer& operator=(const CurlTransfer&) = delete;
  ~CurlTransfer() override {
    if (const auto multi = multi_.lock()) multi->Cancel(id_);
  }

 private:
  std::weak_ptr<Multi> multi_;
  Multi::Id id_;
};

class CurlTransport final : public HttpTransport {
 public:
  explicit CurlTransport(std::shared_ptr<Multi> multi) : multi_(std::move(multi)) {}
  CurlTransport(const CurlTransport&) = delete;
  CurlTransport& operator=(const CurlTransport&) = delete;
  ~CurlTransport() override { multi_->Close(); }

  std::unique_ptr<HttpTransfer> Start(HttpRequest request, HttpOwner owner) override {
    const Multi::Id id = multi_->Start(std::move(request), std::move(owner));
    return std::make_unique<CurlTransfer>(multi_, id);
  }

 private:
  std::shared_ptr<Multi> multi_;
};

}  // namespace

Result<std::unique_ptr<HttpTransport>> NewCurlTransport(base::EventLoop& loop, ApiConfig config,
                                                        std::string user_agent) {
  const auto curl = CurlLibrary::Load();
  if (!curl.ok()) return curl.status();
  auto multi = std::make_shared<Multi>(loop, *curl, std::move(config), std::move(user_agent));
  TRANCHE_TRY(multi->Open());
  return std::unique_ptr<HttpTransport>(std::make_unique<CurlTransport>(std::move(multi)));
}

}  // namespace tranche::apiserver
