#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include "base/json_read.h"
#include "base/log.h"
#include "labels/outlet.h"
#include "labels/outlet_parts.h"

namespace tranche::labels {
namespace {

using base::Code;
using base::Json;
using base::Kv;
using base::Result;
using base::Status;

// The labels of an object's metadata or spec.
Labels LabelsIn(const Json& object, std::string_view part) {
  Labels out;
  for (const auto& [key, value] : base::MembersAt(object, {part, "labels"})) {
    if (value.is_string()) out[key] = value.as_string();
  }
  return out;
}

Json ToJson(const Labels& labels) {
  Json out = Json::MakeObject();
  for (const auto& [key, value] : labels) out.Set(key, value);
  return out;
}

// Whether the timestamp label counts where two sets of labels are compared. It does not once ours
// are out: during a handover two agents would overwrite each other for ever.
enum class Timestamps { kCompared, kIgnored };

// One object of the API server, watched, and written where it is not as it should be.
class ObjectOutlet : public LabelOutlet {
 public:
  ObjectOutlet(base::EventLoop& loop, apiserver::ApiClient& api, StateChanged state_changed)
      : api_(api), retry_(loop), reporter_(loop, std::move(state_changed)) {}

  void Publish(const Labels& labels) override {
    wanted_ = labels;
    fresh_ = true;
    reporter_.Forget();
    retry_.Reset();
    if (watch_ == nullptr) watch_ = StartWatch();
    WriteIfDifferent();
  }

 protected:
  virtual apiserver::WatchSpec What() = 0;
  virtual std::string Name() = 0;
  // Whether `present` is as it should be.
  virtual bool Right(const Labels& wanted, Timestamps timestamps) = 0;
  // Sends the request that makes it so. Ends by calling Sent.
  virtual void Write(const Labels& wanted) = 0;

  void Send(apiserver::ApiRequest request, apiserver::ApiDone done) {
    call_ = api_.Send(std::move(request), [this, done = std::move(done)](Result<Json> reply) {
      finished_ = std::move(call_);  // not to be destroyed in its own callback
      done(std::move(reply));
    });
  }

  void Sent(Result<Json> reply) {
    fresh_ = false;
    if (!reply.ok()) return Failed(reply.status());
    if (!reply->is_object()) {
      return Failed({Code::kInternal, "the API server answered a write with no object"});
    }
    present_ = std::move(*reply);
    // The next write has to wait: somebody else may want other labels.
    retry_.Later([this] { WriteIfDifferent(); });
    ReportIfRight();
  }
  void Failed(const Status& status) {
    fresh_ = false;
    reporter_.Report(status);
    retry_.Later([this] { WriteIfDifferent(); });
  }
  void WriteIfDifferent() {
    if (!wanted_ || !in_sync_ || call_ != nullptr) return;
    if (ReportIfRight()) return;
    if (retry_.waiting() && !fresh_) return;
    Write(*wanted_);
  }

  static bool Same(const Labels& a, const Labels& b, Timestamps timestamps) {
    if (timestamps == Timestamps::kCompared) return a == b;
    Labels left = a;
    Labels right = b;
    left.erase(kTimestampLabel);
    right.erase(kTimestampLabel);
    return left == right;
  }

  [[nodiscard]] const std::optional<Json>& present() const { return present_; }

 private:
  std::unique_ptr<apiserver::ApiWatch> StartWatch() {
    return api_.Watch(What(), {.listed =
                                   [this](const Json::Array& objects) {
                                     present_.reset();
                                     for (const Json& one : objects) RememberIfOurs(one);
                                     in_sync_ = true;
                                     WriteIfDifferent();
                                   },
                               .changed =
                                   [this](const Json& object) {
                                     RememberIfOurs(object);
                                     WriteIfDifferent();
                                   },
                               .removed =
                                   [this](const Json& object) {
                                     if (base::TextAt(object, {"metadata", "name"}) == Name())
                                       present_.reset();
                                     WriteIfDifferent();
                                   },
                               .state =
                                   [this](const Status& status) {
                                     in_sync_ = status.ok();
                                     if (!status.ok()) reporter_.Report(status);
                                     WriteIfDifferent();
                                   }});
  }

  void RememberIfOurs(const Json& object) {
    if (base::TextAt(object, {"metadata", "name"}) == Name()) present_ = object;
  }

  bool ReportIfRight() {
    const Timestamps timestamps = fresh_ ? Timestamps::kCompared : Timestamps::kIgnored;
    if (!Right(*wanted_, timestamps)) return false;
    fresh_ = false;
    reporter_.Report(Status::Ok());
    return true;
  }

  apiserver::ApiClient& api_;
  Retry retry_;
  StateReporter reporter_;
  std::optional<Labels> wanted_;
  std::optional<Json> present_;
  bool in_sync_ = false;
  bool fresh_ = false;  // published, and neither written nor seen to be there
  std::unique_ptr<apiserver::ApiCall> call_;
  std::unique_ptr<apiserver::ApiCall> finished_;
  std::unique_ptr<apiserver::ApiWatch> watch_;
};

constexpr char kNodeNameLabel[] = "nfd.node.kubernetes.io/node-name";

class NodeFeatureOutlet : public ObjectOutlet {
 public:
  NodeFeatureOutlet(base::EventLoop& loop, apiserver::ApiClient& api, NodeFeatureOptions options,
                    StateChanged state_changed)
      : ObjectOutlet(loop, api, std::move(state_changed)),
        options_(std::move(options)),
        namespace_path_("namespaces/" + apiserver::EscapeSegment(options_.namespace_name)),
        collection_("/apis/nfd.k8s-sigs.io/v1alpha1/" + namespace_path_ + "/nodefeatures"),
        owners_known_(options_.pod.empty()) {}

 protected:
  apiserver::WatchSpec What() override {
    return {.path = collection_, .field_selector = "metadata.name=" + Name()};
  }
  std::string Name() override { return "nvidia-features-for-" + options_.node; }

  bool Right(const Labels& wanted, Timestamps timestamps) override {
    if (!present() || !owners_known_) return false;
    const Labels labels = LabelsIn(*present(), "metadata");
    const auto node = labels.find(kNodeNameLabel);
    if (node == labels.end() || node->second != options_.node) return false;
    const Json* owners = base::FindAt(*present(), {"metadata", "ownerReferences"});
    const Json none = Json::MakeArray();
    if (!((owners == nullptr ? none : *owners) == owners_)) return false;
    return present()->Find("spec") != nullptr &&
           Same(LabelsIn(*present(), "spec"), wanted, timestamps);
  }

  void Write(const Labels& wanted) override {
    if (!owners_known_) return FindOwners();
    Json object = present() ? *present()
                            : Json::MakeObject({{"apiVersion", "nfd.k8s-sigs.io/v1alpha1"},
                                                {"kind", "NodeFeature"}});
    Json metadata = Json::MakeObject(base::MembersAt(object, "metadata"));
    metadata.Set("name", Name());
    metadata.Set("labels", ToJson({{kNodeNameLabel, options_.node}}));
    metadata.Set("ownerReferences", owners_);
    object.Set("metadata", std::move(metadata));
    object.Set("spec", Json::MakeObject(
                           {{"features", Json::MakeObject({{"flags", Json::MakeObject()},
                                                           {"attributes", Json::MakeObject()},
                                                           {"instances", Json::MakeObject()}})},
                            {"labels", ToJson(wanted)}}));
    // Replaced whole, by its resourceVersion: the verbs that upstream's role has.
    Send({.method = present() ? apiserver::Method::kPut : apiserver::Method::kPost,
          .path = present() ? collection_ + "/" + apiserver::EscapeSegment(Name()) : collection_,
          .body = std::move(object)},
         [this](Result<Json> reply) { Sent(std::move(reply)); });
  }

 private:
  // The object goes with the DaemonSet, or the pod, that it came with. A pod that cannot be read is
  // no reason to go without labels.
  void FindOwners() {
    Send({.path = "/api/v1/" + namespace_path_ + "/pods/" + apiserver::EscapeSegment(options_.pod)},
         [this](Result<Json> pod) {
           const Code code = pod.status().code();
           if (code == Code::kUnavailable || code == Code::kDeadlineExceeded ||
               code == Code::kResourceExhausted) {
             return Failed(pod.status());
           }
           owners_known_ = true;
           if (pod.ok()) {
             TakeOwners(*pod);
           } else {
             base::LogWarning("the NodeFeature object will have no owner: its pod cannot be read",
                              {Kv("pod", options_.pod), Kv("error", pod.status().message())});
           }
           WriteIfDifferent();
         });
  }

  void TakeOwners(const Json& pod) {
    for (const Json& reference : base::ItemsAt(pod, {"metadata", "ownerReferences"})) {
      if (base::TextAt(reference, "kind") != "DaemonSet") continue;
      owners_.Append(Json::MakeObject({{"apiVersion", base::TextAt(reference, "apiVersion")},
                                       {"kind", "DaemonSet"},
                                       {"name", base::TextAt(reference, "name")},
                                       {"uid", base::TextAt(reference, "uid")},
                                       {"controller", true}}));
      owners_.Append(Json::MakeObject({{"apiVersion", "v1"},
                                       {"kind", "Pod"},
                                       {"name", options_.pod},
                                       {"uid", base::TextAt(pod, {"metadata", "uid"})}}));
      return;
    }
  }

  const NodeFeatureOptions options_;
  const std::string namespace_path_;
  const std::string collection_;
  bool owners_known_;
  Json owners_ = Json::MakeArray();
};

class NodeLabelOutlet : public ObjectOutlet {
 public:
  NodeLabelOutlet(base::EventLoop& loop, apiserver::ApiClient& api, std::string node,
                  StateChanged state_changed)
      : ObjectOutlet(loop, api, std::move(state_changed)), node_(std::move(node)) {}

 protected:
  apiserver::WatchSpec What() override {
    return {.path = "/api/v1/nodes",
            .field_selector = "metadata.name=" + node_,
            .form = apiserver::ReplyForm::kMetadata};
  }
  std::string Name() override { return node_; }

  bool Right(const Labels& wanted, Timestamps timestamps) override {
    if (!present()) return false;
    const Labels ours = Ours(wanted);
    Labels there;
    for (const auto& [key, value] : LabelsIn(*present(), "metadata")) {
      // What stays after our own apply is somebody else's.
      if (ours.contains(key) || (IsOurLabel(key) && !others_.contains(key))) there[key] = value;
    }
    return Same(there, ours, timestamps);
  }

  void Write(const Labels& wanted) override {
    if (!present()) return Failed({Code::kNotFound, "there is no node '" + node_ + "'"});
    Json metadata = Json::MakeObject({{"name", node_}, {"labels", ToJson(Ours(wanted))}});
    // Applied to a node that has gone meanwhile, it would make one.
    const std::string& uid = base::TextAt(*present(), {"metadata", "uid"});
    if (!uid.empty()) metadata.Set("uid", uid);
    Send({.method = apiserver::Method::kPatch,
          .path = "/api/v1/nodes/" + apiserver::EscapeSegment(node_) +
                  "?fieldManager=tranche-gfd&force=true",
          .body = Json::MakeObject(
              {{"apiVersion", "v1"}, {"kind", "Node"}, {"metadata", std::move(metadata)}}),
          .patch = apiserver::PatchKind::kApply,
          .form = apiserver::ReplyForm::kMetadata},
         [this, wanted](Result<Json> reply) {
           if (reply.ok()) LearnOthers(*reply, wanted);
           Sent(std::move(reply));
         });
  }

 private:
  static Labels Ours(const Labels& wanted) {
    Labels ours;
    for (const auto& [key, value] : wanted) {
      if (IsOurLabel(key)) ours[key] = value;
    }
    return ours;
  }

  void LearnOthers(const Json& node, const Labels& wanted) {
    others_.clear();
    for (const auto& [key, value] : LabelsIn(node, "metadata")) {
      if (IsOurLabel(key) && !wanted.contains(key)) others_.insert(key);
    }
  }

  const std::string node_;
  std::set<std::string> others_;  // keys like ours that another manager set
};

}  // namespace

std::unique_ptr<LabelOutlet> NewNodeFeatureOutlet(base::EventLoop& loop, apiserver::ApiClient& api,
                                                  const NodeFeatureOptions& options,
                                                  LabelOutlet::StateChanged state_changed) {
  return std::make_unique<NodeFeatureOutlet>(loop, api, options, std::move(state_changed));
}

std::unique_ptr<LabelOutlet> NewNodeLabelOutlet(base::EventLoop& loop, apiserver::ApiClient& api,
                                                const std::string& node,
                                                LabelOutlet::StateChanged state_changed) {
  return std::make_unique<NodeLabelOutlet>(loop, api, node, std::move(state_changed));
}

}  // namespace tranche::labels
