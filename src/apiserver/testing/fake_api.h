// An API server in memory, for tests: objects by path, watches, patches, and failures on demand.
//
// It answers on the loop, never inside the call. It does what the real one does in these points:
// resourceVersions grow with every change, and stay where nothing changed; field and label
// selectors; merge patches (RFC 7386); server-side apply with field owners, conflicts and the
// removal of what an owner no longer names; 404, 403, 409 and 410 with the codes that client.h
// lists. It has no schemas, no admission and no paging. Threading: the loop's thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "apiserver/client.h"
#include "base/event_loop.h"
#include "base/json.h"
#include "base/status.h"
#include "base/weak_runner.h"

namespace tranche::apiserver::testing {

struct ApiPath;

class FakeApi : public ApiClient {
 public:
  explicit FakeApi(base::EventLoop& loop) : loop_(loop) {}
  ~FakeApi() override;

  [[nodiscard]] std::unique_ptr<ApiCall> Send(ApiRequest request, ApiDone done) override;
  [[nodiscard]] std::unique_ptr<ApiWatch> Watch(WatchSpec spec, ApiWatch::Owner owner) override;

  // ---- what it holds; by the path of an object, "/api/v1/nodes/n" ----

  // As if somebody else had made or changed it; name and namespace are filled in from the path.
  void Put(const std::string& path, base::Json object);
  void Remove(const std::string& path);
  [[nodiscard]] const base::Json* Find(const std::string& path) const;
  [[nodiscard]] std::vector<base::Json> List(const std::string& collection) const;
  // Changes one label ("" value: an empty one; nullopt: without it). The object is made if needed.
  void PutLabel(const std::string& path, const std::string& key, std::optional<std::string> value);
  // What a request with `text` gets.
  void PutText(const std::string& path, std::string text) { texts_[path] = std::move(text); }

  // ---- what goes wrong ----

  // Nobody listens: requests fail at once, watches break; they try again every kWatchRetry.
  void SetAway(bool away);
  // Requests and watches are taken and never answered: only deadlines end them.
  void SetHanging(bool hanging) { hanging_ = hanging; }
  // The next `times` (-1: all) requests of this method to this path or one below it fail so. A
  // watch counts as kGet, and one that is open breaks.
  void Fail(Method method, std::string path, base::Status status, int times = -1);
  void Deny(Method method, const std::string& path);  // 403
  void StopFailing() { failures_.clear(); }
  // 404 for a collection, as for a custom resource whose definition is not installed.
  void SetServed(const std::string& collection, bool served);
  // 410 Gone: every watch lists again.
  void Expire();
  // How long an answer takes.
  void SetDelay(base::Duration delay) { delay_ = delay; }

  // ---- what was asked ----

  struct Seen {
    Method method;
    std::string path;   // without the query
    std::string query;  // as sent
    std::optional<base::Json> body;
    PatchKind patch;
    ReplyForm form;
  };
  [[nodiscard]] const std::vector<Seen>& requests() const { return requests_; }
  [[nodiscard]] int Count(Method method, std::string_view path_prefix) const;
  [[nodiscard]] const std::vector<WatchSpec>& watched() const { return watched_; }  // ever begun
  [[nodiscard]] std::size_t open_watches() const { return watches_.size(); }

  static constexpr base::Duration kWatchRetry = std::chrono::seconds(1);

 private:
  class Call;
  class WatchImpl;
  struct Failure {
    Method method;
    std::string path;
    base::Status status;
    int times;
  };

  [[nodiscard]] base::Status FailureOf(Method method, const std::string& path);
  [[nodiscard]] base::Result<base::Json> Answer(const ApiRequest& request);
  [[nodiscard]] base::Result<base::Json> AnswerText(const std::string& path) const;
  [[nodiscard]] base::Result<base::Json> Get(const ApiPath& place, const std::string& query) const;
  [[nodiscard]] base::Result<base::Json> Create(const ApiPath& place, const base::Json& body);
  [[nodiscard]] base::Result<base::Json> Replace(const ApiPath& place, const base::Json& body);
  [[nodiscard]] base::Result<base::Json> Merge(const ApiPath& place, const base::Json& body);
  [[nodiscard]] base::Result<base::Json> Apply(const ApiPath& place, const std::string& query,
                                               const base::Json& body);
  [[nodiscard]] base::Result<base::Json> Delete(const ApiPath& place);
  const base::Json& Store(const std::string& path, base::Json object);
  void Erase(const std::string& path);

  base::EventLoop& loop_;
  std::map<std::string, base::Json> objects_;
  std::map<std::string, std::string> texts_;
  // Of each object: who has applied which fields, by JSON pointer.
  std::map<std::string, std::map<std::string, std::set<std::string>>> owners_;
  std::set<std::string> not_served_;
  std::vector<Failure> failures_;
  std::vector<Seen> requests_;
  std::vector<WatchSpec> watched_;
  std::set<WatchImpl*> watches_;
  bool away_ = false;
  bool hanging_ = false;
  base::Duration delay_{};
  std::int64_t version_ = 1000;
  std::int64_t generated_ = 0;
  base::WeakRunner runner_{loop_};  // the last member: destroyed first
};

}  // namespace tranche::apiserver::testing
