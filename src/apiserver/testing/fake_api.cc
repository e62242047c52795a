#include "apiserver/testing/fake_api.h"

#include <algorithm>

#include "apiserver/testing/api_path.h"
#include "apiserver/testing/fake_watch.h"
#include "apiserver/testing/object_patch.h"
#include "base/json_read.h"
#include "base/timer.h"

namespace tranche::apiserver::testing {

namespace {

using base::Code;
using base::Json;
using base::Result;
using base::Status;
using base::TextAt;

constexpr char kSomebody[] = "somebody";  // who changes things through Put

// Equal but for what the server itself counts.
bool SameBut(const Json& a, const Json& b) {
  const auto bare = [](Json object) {
    Json metadata = MetadataOf(object);
    metadata.Set("resourceVersion", "");
    object.Set("metadata", std::move(metadata));
    return object;
  };
  return bare(a) == bare(b);
}

Status NotFound(const std::string& what) { return {Code::kNotFound, what + " not found"}; }

}  // namespace

class FakeApi::Call : public ApiCall {
 public:
  explicit Call(base::EventLoop& loop) : deadline_(loop), runner_(loop) {}

  // `done`, which does nothing once this call has been given up.
  [[nodiscard]] ApiDone WhileWanted(ApiDone done) const { return runner_.Wrap(std::move(done)); }
  void FailAfter(base::Duration deadline, ApiDone done) {
    deadline_.Start(deadline, [done = std::move(done)] {
      done(Status(Code::kDeadlineExceeded, "no answer in time"));
    });
  }

 private:
  base::Timer deadline_;
  base::WeakRunner runner_;
};

FakeApi::~FakeApi() {
  for (WatchImpl* watch : watches_) watch->ServerGone();
}

std::unique_ptr<ApiCall> FakeApi::Send(ApiRequest request, ApiDone done) {
  auto call = std::make_unique<Call>(loop_);
  done = call->WhileWanted(std::move(done));
  const std::size_t mark = request.path.find('?');
  requests_.push_back({.method = request.method,
                       .path = request.path.substr(0, mark),
                       .query = mark == std::string::npos ? "" : request.path.substr(mark + 1),
                       .body = request.body,
                       .patch = request.patch,
                       .form = request.form});
  if (hanging_) {
    call->FailAfter(request.deadline, std::move(done));
    return call;
  }
  // The server acts whether or not the answer is still wanted.
  runner_.Post([this, request = std::move(request), done = std::move(done)] {
    Result<Json> answer = Answer(request);
    if (delay_ == base::Duration::zero()) return done(std::move(answer));
    loop_.RunAfter(delay_, [done, answer = std::move(answer)] { done(answer); });
  });
  return call;
}

std::unique_ptr<ApiWatch> FakeApi::Watch(WatchSpec spec, ApiWatch::Owner owner) {
  watched_.push_back(spec);
  return std::make_unique<WatchImpl>(*this, std::move(spec), std::move(owner));
}

// ---- requests ----

Status FakeApi::FailureOf(Method method, const std::string& path) {
  if (away_) return {Code::kUnavailable, "connection refused"};
  const ApiPath place = ApiPath::Of(path);
  for (const std::string& collection : not_served_) {
    const ApiPath hidden = ApiPath::Of(collection);
    if (hidden.prefix == place.prefix && hidden.resource == place.resource) {
      return {Code::kNotFound, "the server could not find the requested resource"};
    }
  }
  for (auto failure = failures_.begin(); failure != failures_.end(); ++failure) {
    if (failure->method != method || !IsBelow(path, failure->path)) continue;
    Status status = failure->status;
    if (failure->times > 0 && --failure->times == 0) failures_.erase(failure);
    return status;
  }
  return Status::Ok();
}

Result<Json> FakeApi::Answer(const ApiRequest& request) {
  const std::size_t mark = request.path.find('?');
  const std::string path = request.path.substr(0, mark);
  const std::string query = mark == std::string::npos ? "" : request.path.substr(mark + 1);
  TRANCHE_TRY(FailureOf(request.method, path));
  if (request.form == ReplyForm::kText) return AnswerText(path);
  const ApiPath place = ApiPath::Of(path);
  const Json body = request.body.value_or(Json::MakeObject());
  Result<Json> answer = Status(Code::kUnimplemented, "no such method");
  switch (request.method) {
    case Method::kGet:
      answer = Get(place, query);
      break;
    case Method::kPost:
      answer = Create(place, body);
      break;
    case Method::kPut:
      answer = Replace(place, body);
      break;
    case Method::kPatch:
      answer = request.patch == PatchKind::kApply ? Apply(place, query, body) : Merge(place, body);
      break;
    case Method::kDelete:
      answer = Delete(place);
      break;
  }
  if (answer.ok() && request.form == ReplyForm::kMetadata && !place.name.empty())
    return MetadataOnly(*answer);
  return answer;
}

Result<Json> FakeApi::AnswerText(const std::string& path) const {
  const auto text = texts_.find(path);
  if (text == texts_.end()) return NotFound(path);
  return Json(text->second);
}

Result<Json> FakeApi::Get(const ApiPath& place, const std::string& query) const {
  if (!place.name.empty()) {
    const Json* object = Find(place.Path());
    if (object == nullptr) return NotFound(place.resource + " \"" + place.name + "\"");
    return *object;
  }
  Json::Array items;
  for (const auto& [path, object] : objects_) {
    if (place.Holds(path) && MatchesFields(object, QueryValue(query, "fieldSelector")) &&
        MatchesLabels(object, QueryValue(query, "labelSelector"))) {
      items.push_back(object);
    }
  }
  return Json::MakeObject(
      {{"kind", "List"},
       {"apiVersion", "v1"},
       {"metadata", Json::MakeObject({{"resourceVersion", std::to_string(version_)}})},
       {"items", Json::MakeArray(std::move(items))}});
}

Result<Json> FakeApi::Create(const ApiPath& place, const Json& body) {
  std::string name = TextAt(body, {"metadata", "name"});
  if (name.empty() && !TextAt(body, {"metadata", "generateName"}).empty()) {
    name = TextAt(body, {"metadata", "generateName"}) + std::to_string(++generated_);
  }
  if (name.empty()) return Status(Code::kInvalidArgument, "name or generateName is required");
  const std::string path = place.collection + "/" + name;
  if (Find(path) != nullptr) {
    return Status(Code::kAlreadyExists, place.resource + " \"" + name + "\" already exists");
  }
  OwnChanges({}, body, kSomebody, owners_[path]);
  return Store(path, body);
}

Result<Json> FakeApi::Replace(const ApiPath& place, const Json& body) {
  const Json* old = Find(place.Path());
  if (old == nullptr) return NotFound(place.resource + " \"" + place.name + "\"");
  const std::string version = TextAt(body, {"metadata", "resourceVersion"});
  if (!version.empty() && version != TextAt(*old, {"metadata", "resourceVersion"})) {
    return Status(Code::kAborted, "the object has been modified");
  }
  OwnChanges(*old, body, kSomebody, owners_[place.Path()]);
  return Store(place.Path(), body);
}

Result<Json> FakeApi::Merge(const ApiPath& place, const Json& body) {
  const Json* old = Find(place.Path());
  if (old == nullptr) return NotFound(place.resource + " \"" + place.name + "\"");
  const std::string version = TextAt(body, {"metadata", "resourceVersion"});
  if (!version.empty() && version != TextAt(*old, {"metadata", "resourceVersion"})) {
    return Status(Code::kAborted, "the object has been modified");
  }
  Json merged = MergePatched(*old, body);
  OwnChanges(*old, merged, kSomebody, owners_[place.Path()]);
  return Store(place.Path(), std::move(merged));
}

Result<Json> FakeApi::Apply(const ApiPath& place, const std::string& query, const Json& body) {
  const std::string manager = QueryValue(query, "fieldManager");
  if (manager.empty()) return Status(Code::kInvalidArgument, "fieldManager is required for apply");
  if (TextAt(body, "kind").empty() || TextAt(body, "apiVersion").empty()) {
    return Status(Code::kInvalidArgument, "apply needs apiVersion and kind");
  }
  const Json* old = Find(place.Path());
  FieldOwners owners = owners_[place.Path()];
  Result<Json> applied = Applied(old != nullptr ? *old : Json(), body, manager,
                                 QueryValue(query, "force") == "true", owners);
  if (!applied.ok()) return applied;
  owners_[place.Path()] = std::move(owners);
  return Store(place.Path(), *std::move(applied));
}

Result<Json> FakeApi::Delete(const ApiPath& place) {
  const Json* old = Find(place.Path());
  if (old == nullptr) return NotFound(place.resource + " \"" + place.name + "\"");
  Json last = *old;
  Erase(place.Path());
  return last;
}

// ---- objects ----

const Json& FakeApi::Store(const std::string& path, Json object) {
  const ApiPath place = ApiPath::Of(path);
  const auto old = objects_.find(path);
  Json metadata = MetadataOf(object);
  metadata.Set("name", place.name);
  if (!place.space.empty()) metadata.Set("namespace", place.space);
  const std::string uid = old != objects_.end() ? TextAt(old->second, {"metadata", "uid"}) : "";
  metadata.Set("uid", uid.empty() ? "uid-" + std::to_string(version_ + 1) : uid);
  object.Set("metadata", metadata);
  if (old != objects_.end() && SameBut(old->second, object)) return old->second;
  metadata.Set("resourceVersion", std::to_string(++version_));
  object.Set("metadata", std::move(metadata));
  Json& stored = objects_[path] = std::move(object);
  for (WatchImpl* watch : watches_) watch->Stored(path, stored);
  return stored;
}

void FakeApi::Erase(const std::string& path) {
  const auto it = objects_.find(path);
  if (it == objects_.end()) return;
  const Json last = std::move(it->second);
  objects_.erase(it);
  owners_.erase(path);
  ++version_;
  for (WatchImpl* watch : watches_) watch->Erased(path, last);
}

void FakeApi::Put(const std::string& path, Json object) {
  const Json* old = Find(path);
  OwnChanges(old != nullptr ? *old : Json(), object, kSomebody, owners_[path]);
  Store(path, std::move(object));
}

void FakeApi::Remove(const std::string& path) { Erase(path); }

const Json* FakeApi::Find(const std::string& path) const {
  const auto it = objects_.find(path);
  return it != objects_.end() ? &it->second : nullptr;
}

std::vector<Json> FakeApi::List(const std::string& collection) const {
  const ApiPath place = ApiPath::Of(collection);
  std::vector<Json> items;
  for (const auto& [path, object] : objects_) {
    if (place.Holds(path)) items.push_back(object);
  }
  return items;
}

void FakeApi::PutLabel(const std::string& path, const std::string& key,
                       std::optional<std::string> value) {
  const Json* old = Find(path);
  const Json patch = Json::MakeObject(
      {{"metadata",
        Json::MakeObject({{"labels", Json::MakeObject({{key, value ? Json(*value) : Json()}})}})}});
  Put(path, MergePatched(old != nullptr ? *old : Json(), patch));
}

// ---- faults ----

void FakeApi::SetAway(bool away) {
  away_ = away;
  if (!away) return;
  const std::set<WatchImpl*> watches = watches_;
  for (WatchImpl* watch : watches) {
    watch->Break({Code::kUnavailable, "connection refused"});
  }
}

void FakeApi::Fail(Method method, std::string path, Status status, int times) {
  if (method == Method::kGet && times < 0) {
    for (WatchImpl* watch : watches_) {
      if (watch->in_sync() && IsBelow(watch->path(), path)) watch->Break(status);
    }
  }
  failures_.push_back(
      {.method = method, .path = std::move(path), .status = std::move(status), .times = times});
}

void FakeApi::Deny(Method method, const std::string& path) {
  Fail(method, path, {Code::kPermissionDenied, path + " is forbidden"});
}

void FakeApi::SetServed(const std::string& collection, bool served) {
  if (served) {
    not_served_.erase(collection);
    return;
  }
  not_served_.insert(collection);
  for (WatchImpl* watch : watches_) {
    if (IsBelow(watch->path(), collection)) {
      watch->Break({Code::kNotFound, "the server could not find the requested resource"});
    }
  }
}

void FakeApi::Expire() {
  for (WatchImpl* watch : watches_) watch->Relist();
}

int FakeApi::Count(Method method, std::string_view path_prefix) const {
  return static_cast<int>(std::ranges::count_if(requests_, [&](const Seen& seen) {
    return seen.method == method && IsBelow(seen.path, path_prefix);
  }));
}

}  // namespace tranche::apiserver::testing
