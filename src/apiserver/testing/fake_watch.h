// A watch of the API server in memory: for fake_api.cc alone.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "apiserver/client.h"
#include "apiserver/testing/api_path.h"
#include "apiserver/testing/fake_api.h"
#include "apiserver/testing/object_patch.h"
#include "base/event_loop.h"
#include "base/json.h"
#include "base/status.h"
#include "base/timer.h"
#include "base/weak_runner.h"

namespace tranche::apiserver::testing {

class FakeApi::WatchImpl : public ApiWatch {
 public:
  WatchImpl(FakeApi& api, WatchSpec spec, Owner owner)
      : api_(&api),
        spec_(std::move(spec)),
        owner_(std::move(owner)),
        place_(ApiPath::Of(spec_.path)),
        retry_(api.loop_),
        runner_(api.loop_) {
    api_->watches_.insert(this);
    runner_.Post([this] { Relist(); });
  }
  ~WatchImpl() override {
    if (api_ != nullptr) api_->watches_.erase(this);
  }

  void ServerGone() { api_ = nullptr; }

  void Relist() {
    if (api_ == nullptr || api_->hanging_) return RetryLater();
    if (base::Status status = api_->FailureOf(Method::kGet, spec_.path); !status.ok()) {
      return Break(std::move(status));
    }
    retry_.Stop();
    known_.clear();
    base::Json::Array objects;
    for (const auto& [path, object] : api_->objects_) {
      if (!Selects(path, object)) continue;
      known_.insert(path);
      objects.push_back(Shown(object));
    }
    in_sync_ = true;
    runner_.Post([this, objects = std::move(objects)] {
      if (owner_.listed) owner_.listed(objects);
      Say(base::Status::Ok());
    });
  }

  void Break(base::Status status) {
    in_sync_ = false;
    RetryLater();
    runner_.Post([this, status = std::move(status)] { Say(status); });
  }

  [[nodiscard]] bool in_sync() const { return in_sync_; }
  [[nodiscard]] const std::string& path() const { return spec_.path; }

  void Stored(const std::string& path, const base::Json& object) {
    if (!in_sync_ || api_->hanging_) return;
    if (Selects(path, object)) {
      known_.insert(path);
      runner_.Post([this, shown = Shown(object)] {
        if (owner_.changed) owner_.changed(shown);
      });
    } else {
      Erased(path, object);
    }
  }
  void Erased(const std::string& path, const base::Json& last) {
    if (!in_sync_ || api_->hanging_ || known_.erase(path) == 0) return;
    runner_.Post([this, shown = Shown(last)] {
      if (owner_.removed) owner_.removed(shown);
    });
  }

 private:
  [[nodiscard]] bool Selects(const std::string& path, const base::Json& object) const {
    return place_.Holds(path) && MatchesFields(object, spec_.field_selector) &&
           MatchesLabels(object, spec_.label_selector);
  }
  [[nodiscard]] base::Json Shown(const base::Json& object) const {
    return spec_.form == ReplyForm::kMetadata ? MetadataOnly(object) : object;
  }
  void Say(const base::Status& status) {
    if (told_ && *told_ == status) return;
    told_ = status;
    if (owner_.state) owner_.state(status);
  }
  void RetryLater() {
    retry_.Start(kWatchRetry, [this] { Relist(); });
  }

  FakeApi* api_;
  const WatchSpec spec_;
  const Owner owner_;
  const ApiPath place_;
  std::set<std::string> known_;
  bool in_sync_ = false;
  std::optional<base::Status> told_;
  base::Timer retry_;
  base::WeakRunner runner_;  // the last member: destroyed first
};

}  // namespace tranche::apiserver::testing
