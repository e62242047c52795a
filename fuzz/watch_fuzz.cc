// The watch against an API server that says anything at any time. A line of the input is what
// happens next: see Play. Whatever it was, the watch goes on asking, one request at a time, and
// puts nothing of what it was told into a request unescaped.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "apiserver/http.h"
#include "apiserver/watch.h"
#include "base/json.h"
#include "base/status.h"
#include "base/testing/fake_loop.h"

namespace {

namespace apiserver = tranche::apiserver;
using tranche::base::Code;
using tranche::base::Json;
using tranche::base::Status;

constexpr const char* kPath = "/api/v1/nodes";

// At most one exchange at a time, answered by the fuzzer.
class Transport final : public tranche::apiserver::HttpTransport {
 public:
  struct Exchange {
    tranche::apiserver::HttpRequest request;
    tranche::apiserver::HttpOwner owner;
  };

  std::unique_ptr<tranche::apiserver::HttpTransfer> Start(
      tranche::apiserver::HttpRequest request, tranche::apiserver::HttpOwner owner) override {
    TRANCHE_CHECK(open_ == nullptr);
    const std::string& path = request.path;
    TRANCHE_CHECK(path.starts_with(std::string(kPath) + "?"));
    TRANCHE_CHECK(std::ranges::all_of(path, [](char c) { return c > ' ' && c < '\x7f'; }));
    TRANCHE_CHECK(std::ranges::count(path, '?') == 1 && path.find('#') == std::string::npos);
    TRANCHE_CHECK(Count(path, "fieldSelector=") == 1);
    TRANCHE_CHECK(Count(path, "limit=") + Count(path, "watch=1") == 1);
    open_.reset(new Exchange{std::move(request), std::move(owner)});
    return std::make_unique<Transfer>(*this, open_);
  }
  [[nodiscard]] std::shared_ptr<Exchange> open() const { return open_; }

 private:
  class Transfer final : public tranche::apiserver::HttpTransfer {
   public:
    Transfer(Transport& transport, std::shared_ptr<Exchange> exchange)
        : transport_(transport), exchange_(std::move(exchange)) {}
    Transfer(const Transfer&) = delete;
    Transfer& operator=(const Transfer&) = delete;
    ~Transfer() override {
      if (transport_.open_ == exchange_) transport_.open_.reset();
    }

   private:
    Transport& transport_;
    std::shared_ptr<Exchange> exchange_;
  };

  static int Count(std::string_view text, std::string_view part) {
    int count = 0;
    for (std::size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++count;
    return count;
  }

  std::shared_ptr<Exchange> open_;
};

class Play {
 public:
  Play() {
    watch_ = tranche::apiserver::NewApiWatch(
        loop_, {std::shared_ptr<void>(), &transport_}, [] { return 0.5; },
        {.path = kPath,
         .field_selector = "metadata.name=n",
         .label_selector = "",
         .form = tranche::apiserver::ReplyForm::kMetadata},
        {.listed = [this](const Json::Array&) { HearsOf(); },
         .changed = [this](const Json& object) { HearsOf(object); },
         .removed = [this](const Json& object) { HearsOf(object); },
         .state = [this](const Status& state) { state_ = state; }});
    loop_.AdvanceBy({});
  }

  // "a410 BODY" answers with that code, "o" opens the stream, "d…" is a line of it and "p…" a piece
  // of one, "e" its end, "x" a cut connection, "t9" nine seconds, "q" destroys the watch at the
  // next it tells.
  void Line(std::string_view line) {
    if (line.empty()) return;
    const char what = line.front();
    line.remove_prefix(1);
    const auto exchange = transport_.open();
    if (what == 't') {
      loop_.AdvanceBy(std::chrono::seconds(Number(line)));
    } else if (what == 'q') {
      quits_ = true;
    } else if (exchange != nullptr) {
      Happens(*exchange, what, line);
    }
    loop_.AdvanceBy({});
  }

  // It never gives up, and comes back into sync with a server that is well again.
  void Recovers() {
    if (watch_ == nullptr) return;
    quits_ = false;
    for (int tries = 0; tries < 4; ++tries) {
      if (transport_.open() == nullptr) loop_.AdvanceBy(std::chrono::minutes(3));
      const auto exchange = transport_.open();
      TRANCHE_CHECK(exchange != nullptr);
      if (exchange->request.path.find("watch=1") != std::string::npos) {
        exchange->owner.opened();
        break;
      }
      exchange->owner.done(tranche::apiserver::HttpReply{
          .code = 200, .body = R"({"metadata":{"resourceVersion":"1"},"items":[]})"});
      loop_.AdvanceBy({});
    }
    TRANCHE_CHECK(state_.ok());
  }

 private:
  static int Number(std::string_view& text) {
    int number = 0;
    while (!text.empty() && text.front() >= '0' && text.front() <= '9' && number < 1000) {
      number = number * 10 + (text.front() - '0');
      text.remove_prefix(1);
    }
    return number;
  }

  static void Happens(Transport::Exchange& exchange, char what, std::string_view rest) {
    const tranche::apiserver::HttpOwner owner = exchange.owner;  // the exchange may end
    if (what == 'a') {
      const int code = Number(rest);
      // A 2xx reply to a watch is its stream.
      if (owner.data && code >= 200 && code < 300) return owner.opened();
      owner.done(tranche::apiserver::HttpReply{.code = code, .body = std::string(rest)});
    } else if (what == 'x') {
      owner.done(Status(Code::kUnavailable, "cut"));
    } else if (owner.data && what == 'o') {
      owner.opened();
    } else if (owner.data && (what == 'd' || what == 'p')) {
      owner.data(std::string(rest) + (what == 'd' ? "\n" : ""));
    } else if (owner.data && what == 'e') {
      owner.done(tranche::apiserver::HttpReply{.code = 200});
    }
  }

  void HearsOf() {
    if (quits_) watch_.reset();
  }
  void HearsOf(const Json& object) {
    TRANCHE_CHECK(object.is_object());
    HearsOf();
  }

  tranche::base::testing::FakeLoop loop_;
  Transport transport_;
  std::unique_ptr<tranche::apiserver::ApiWatch> watch_;
  Status state_{Code::kUnavailable, "not told yet"};
  bool quits_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  Play play;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    play.Line(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  play.Recovers();
  return 0;
}
