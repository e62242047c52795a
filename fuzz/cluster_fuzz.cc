// Objects of the API server as whoever may write them likes them: the node, the ClusterPolicy, the
// ConfigMap that it names, the NodeFeature. A line of the input is what the server says next: see
// Cluster::Line. What is asked for and written stays ours, whatever the objects say.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "apiserver/client.h"
#include "base/json.h"
#include "base/log.h"
#include "base/status.h"
#include "base/testing/fake_loop.h"
#include "config/load.h"
#include "labels/outlet.h"
#include "profile/cluster_source.h"

namespace {

namespace apiserver = tranche::apiserver;
using tranche::base::Code;
using tranche::base::Json;
using tranche::base::Result;
using tranche::base::Status;

constexpr std::string_view kNodes = "/api/v1/nodes";
constexpr std::string_view kPolicies = "/apis/nvidia.com/v1/clusterpolicies";
constexpr std::string_view kFeatures =
    "/apis/nfd.k8s-sigs.io/v1alpha1/namespaces/gpu-operator/nodefeatures";
constexpr std::string_view kPods = "/api/v1/namespaces/gpu-operator/pods/plugin-x";

const tranche::labels::Labels& Wanted() {
  static const tranche::labels::Labels wanted = {{"nvidia.com/gpu.count", "2"},
                                                 {"tranche.dev/gpu.product", "A"}};
  return wanted;
}

bool HasWantedLabels(const Json* owner) {
  const Json* labels = owner == nullptr ? nullptr : owner->Find("labels");
  if (labels == nullptr || !labels->is_object()) return false;
  return labels->as_object().size() == Wanted().size() &&
         std::ranges::all_of(Wanted(), [&](const auto& label) {
           const Json* value = labels->Find(label.first);
           return value != nullptr && *value == Json(label.second);
         });
}

// A name that cannot be more than one segment of a path.
bool IsName(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.';
  });
}

void CheckWatch(const tranche::apiserver::WatchSpec& spec) {
  constexpr std::string_view kField = "metadata.name=";
  TRANCHE_CHECK(spec.field_selector.starts_with(kField));
  TRANCHE_CHECK(IsName(std::string_view(spec.field_selector).substr(kField.size())));
  if (spec.path == kNodes || spec.path == kPolicies || spec.path == kFeatures) return;
  constexpr std::string_view kSpaces = "/api/v1/namespaces/";
  constexpr std::string_view kMaps = "/configmaps";
  TRANCHE_CHECK(spec.path.starts_with(kSpaces) && spec.path.ends_with(kMaps));
  TRANCHE_CHECK(spec.path.substr(kSpaces.size(), spec.path.size() - kSpaces.size() -
                                                     kMaps.size()) == "gpu-operator");
}

// Nothing is written but our labels, on our node or in our own object.
void CheckRequest(const tranche::apiserver::ApiRequest& request) {
  if (request.method == tranche::apiserver::Method::kGet) {
    TRANCHE_CHECK(request.path == kPods);
    return;
  }
  TRANCHE_CHECK(request.body.has_value());
  const Json* metadata = request.body->Find("metadata");
  TRANCHE_CHECK(metadata != nullptr && metadata->Find("name") != nullptr);
  if (request.method == tranche::apiserver::Method::kPatch) {
    TRANCHE_CHECK(request.patch == tranche::apiserver::PatchKind::kApply);
    TRANCHE_CHECK(request.path ==
                  std::string(kNodes) + "/gpu-node?fieldManager=tranche-gfd&force=true");
    TRANCHE_CHECK(*metadata->Find("name") == Json("gpu-node") && HasWantedLabels(metadata));
    return;
  }
  const std::string name = "nvidia-features-for-gpu-node";
  const std::string path(kFeatures);
  TRANCHE_CHECK(request.path ==
                (request.method == tranche::apiserver::Method::kPost ? path : path + "/" + name));
  TRANCHE_CHECK(*metadata->Find("name") == Json(name));
  TRANCHE_CHECK(HasWantedLabels(request.body->Find("spec")));
}

// Keeps what is asked, and answers when the fuzzer says so.
class Api final : public tranche::apiserver::ApiClient {
 public:
  std::unique_ptr<tranche::apiserver::ApiCall> Send(tranche::apiserver::ApiRequest request,
                                                    tranche::apiserver::ApiDone done) override {
    CheckRequest(request);
    return std::make_unique<Entry<tranche::apiserver::ApiCall, tranche::apiserver::ApiDone>>(
        calls_, "", std::move(done));
  }
  std::unique_ptr<tranche::apiserver::ApiWatch> Watch(
      tranche::apiserver::WatchSpec spec, tranche::apiserver::ApiWatch::Owner owner) override {
    CheckWatch(spec);
    return std::make_unique<
        Entry<tranche::apiserver::ApiWatch, tranche::apiserver::ApiWatch::Owner>>(
        watches_, spec.path, std::move(owner));
  }

  // To each watch of a collection whose path ends so; a callback may begin and end some.
  void Tell(std::string_view collection,
            const std::function<void(const tranche::apiserver::ApiWatch::Owner&)>& tell) {
    const auto all = watches_;
    for (const auto& one : all) {
      if (one->path.ends_with(collection) && IsOpen(watches_, one)) tell(one->owner);
    }
  }
  void Answer(const Result<Json>& reply) {
    const auto all = calls_;
    for (const auto& one : all) {
      if (IsOpen(calls_, one)) std::exchange(one->owner, {})(reply);
    }
  }

 private:
  template <class Owner>
  struct Open {
    std::string path;
    Owner owner;
  };
  template <class Owner>
  using Opens = std::list<std::shared_ptr<Open<Owner>>>;

  template <class Base, class Owner>
  class Entry final : public Base {
   public:
    Entry(Opens<Owner>& all, std::string path, Owner owner)
        : all_(all), open_(new Open<Owner>{std::move(path), std::move(owner)}) {
      all_.push_back(open_);
    }
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;
    ~Entry() override { all_.remove(open_); }

   private:
    Opens<Owner>& all_;
    std::shared_ptr<Open<Owner>> open_;
  };

  static bool IsOpen(const Opens<tranche::apiserver::ApiWatch::Owner>& all, const auto& one) {
    return std::ranges::find(all, one) != all.end();
  }
  // A call is answered once.
  static bool IsOpen(const Opens<tranche::apiserver::ApiDone>& all, const auto& one) {
    return one->owner != nullptr && std::ranges::find(all, one) != all.end();
  }

  Opens<tranche::apiserver::ApiDone> calls_;
  Opens<tranche::apiserver::ApiWatch::Owner> watches_;
};

class Cluster {
 public:
  Cluster() {
    source_.Connect(api_, "");
    label_outlet_->Publish(Wanted());
    feature_outlet_->Publish(Wanted());
    loop_.AdvanceBy({});
  }

  // "N {…}" lists that node, "n {…}" is an event of it, "-n {…}" its removal; p, m and f are the
  // policy, the ConfigMap and the NodeFeature. "r {…}" answers what was sent, "e" fails it, "s"
  // and "S" break the watches and mend them, "a" tells them 404, "t" lets ten seconds pass.
  void Line(std::string_view line) {
    const bool removed = line.starts_with('-');
    if (removed) line.remove_prefix(1);
    if (line.empty()) return;
    const char what = line.front();
    line.remove_prefix(1);
    if (what == 't') {
      loop_.AdvanceBy(std::chrono::seconds(10));
    } else if (what == 'e') {
      api_.Answer(Status(Code::kAborted, "conflict"));
    } else if (what == 's' || what == 'S' || what == 'a') {
      const Status state = what == 'S'   ? Status::Ok()
                           : what == 's' ? Status(Code::kUnavailable, "away")
                                         : Status(Code::kNotFound, "no such resource");
      api_.Tell("", [&](const auto& owner) { owner.state(state); });
    } else if (const auto object = Json::Parse(line); object.ok()) {
      Object(what, removed, *object);
    }
    loop_.AdvanceBy({});
    CheckRead();
  }

 private:
  void Object(char what, bool removed, const Json& object) {
    if (what == 'r') return api_.Answer(object);
    constexpr std::string_view kLetters = "npmf";
    constexpr std::string_view kCollections[] = {kNodes, kPolicies, "/configmaps", kFeatures};
    const bool listed = what >= 'A' && what <= 'Z';
    const std::size_t which = kLetters.find(listed ? static_cast<char>(what - 'A' + 'a') : what);
    if (which == kLetters.npos) return;
    api_.Tell(kCollections[which], [&](const tranche::apiserver::ApiWatch::Owner& owner) {
      if (listed) return owner.listed({object});
      (removed ? owner.removed : owner.changed)(object);
    });
  }

  void CheckRead() const {
    const tranche::profile::WantedConfig wanted = source_.Read();
    const auto profiles = source_.AvailableProfiles();
    TRANCHE_CHECK(wanted.text.size() <= tranche::config::kMaxConfigBytes);
    TRANCHE_CHECK(std::ranges::is_sorted(profiles));
    if (wanted.named && wanted.status.ok() &&
        wanted.certainty == tranche::profile::Certainty::kSure) {
      TRANCHE_CHECK(std::ranges::find(profiles, wanted.profile) != profiles.end());
      TRANCHE_CHECK(wanted.source.ends_with("/" + wanted.profile));
    }
    if (!wanted.status.ok()) TRANCHE_CHECK(!wanted.status.message().empty());
    tranche::profile::KubernetesState state;
    source_.Describe(state);
    TRANCHE_CHECK(!state.api.empty());
  }

  tranche::base::testing::FakeLoop loop_;
  Api api_;
  tranche::profile::ClusterSource source_{loop_,
                                          {.default_profile = "default"},
                                          {.node_name = "gpu-node",
                                           .cluster_policy = "cluster-policy",
                                           .policy_namespace = "gpu-operator"},
                                          [this] { changes_ += 1; }};
  std::unique_ptr<tranche::labels::LabelOutlet> label_outlet_ =
      tranche::labels::NewNodeLabelOutlet(loop_, api_, "gpu-node", [](const Status&) {});
  std::unique_ptr<tranche::labels::LabelOutlet> feature_outlet_ =
      tranche::labels::NewNodeFeatureOutlet(
          loop_, api_, {.node = "gpu-node", .namespace_name = "gpu-operator", .pod = "plugin-x"},
          [](const Status&) {});
  int changes_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // What the objects say is logged: nobody reads it here.
  static const bool quiet = [] {
    tranche::base::ConfigureLog(tranche::base::LogLevel::kError, tranche::base::LogFormat::kText);
    return true;
  }();
  static_cast<void>(quiet);
  std::string_view text(reinterpret_cast<const char*>(data), size);
  Cluster cluster;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    cluster.Line(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return 0;
}
