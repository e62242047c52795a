// The cluster's source of configuration over an API server in memory, with the configurator behind
// it, for the tests of both: what matters is what is applied.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "apiserver/testing/fake_api.h"
#include "base/disk/testing/fake_worker.h"
#include "base/json.h"
#include "base/status.h"
#include "base/testing/fake_loop.h"
#include "base/testing/real_loop.h"
#include "config/load.h"
#include "profile/cluster_source.h"
#include "profile/in_force.h"
#include "profile/testing/replicas.h"

namespace tranche::profile::testing {

inline constexpr char kNode[] = "/api/v1/nodes/gpu-node";
inline constexpr char kLabel[] = "nvidia.com/device-plugin.config";
inline constexpr char kMap[] = "/api/v1/namespaces/gpu-operator/configmaps/plugin-config";
inline constexpr char kPolicy[] = "/apis/nvidia.com/v1/clusterpolicies/cluster-policy";
inline constexpr char kPolicies[] = "/apis/nvidia.com/v1/clusterpolicies";

inline base::Json Map(const base::Json::Object& data) {
  return base::Json::MakeObject({{"data", base::Json::MakeObject(data)}});
}

inline base::Json Policy(const std::string& config_map, const std::string& default_profile) {
  base::Json config = base::Json::MakeObject();
  if (!config_map.empty()) config.Set("name", config_map);
  if (!default_profile.empty()) config.Set("default", default_profile);
  return base::Json::MakeObject(
      {{"spec",
        base::Json::MakeObject({{"devicePlugin", base::Json::MakeObject({{"config", config}})}})}});
}

class ClusterSourceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    files_.default_profile = "default";
    options_.node_name = "gpu-node";
    options_.watch_node = true;
    options_.node_label = kLabel;
    options_.policy_namespace = "gpu-operator";
    api_.PutLabel(kNode, "other", "1");
    PutMap(4);
  }

  void PutMap(int dev) {
    api_.Put(kMap, Map({{"default", Replicas(2)}, {"dev", Replicas(dev)}, {"none", ""}}));
  }
  void Label(std::optional<std::string> value) {
    api_.PutLabel(kNode, kLabel, std::move(value));
    loop_.RunPosted();
  }

  // A process begins: nothing in memory, the disk as it was.
  void Start(bool connected = true) {
    config_.reset();
    applied_.clear();
    events_.clear();
    config_ = std::make_unique<InForce>(
        loop_,
        [this](std::function<void()> changed) {
          return std::make_unique<ClusterSource>(loop_, files_, options_, std::move(changed));
        },
        Overrides{}, LastGoodPlace{.directory = state_, .worker = &worker_},
        InForce::Owner{
            .apply = [this](const config::Loaded& loaded, const std::string&) -> base::Status {
              const auto& resources = loaded.config.time_slicing.resources;
              applied_.push_back(resources.empty() ? 1 : resources[0].replicas);
              return base::Status::Ok();
            },
            .event =
                [this](daemon::EventType type, const std::string& reason,
                       const std::string& message) {
                  events_.push_back(std::string(TypeName(type)) + " " + reason + ": " + message);
                },
            .source_changed = {}});
    config_->NodeChanged();
    if (!connected) return;
    config_->source().Connect(api_, "");
    loop_.AdvanceBy(std::chrono::milliseconds(50));
  }

  std::vector<int> Applied() { return std::exchange(applied_, {}); }
  std::vector<std::string> Events() { return std::exchange(events_, {}); }
  const ConfigState& config() const { return config_->state(); }
  KubernetesState Described() const {
    KubernetesState state;
    config_->source().Describe(state);
    return state;
  }

  base::testing::TempDir dir_;
  const std::string state_ = dir_ / "tranche";
  base::testing::FakeLoop loop_;
  base::disk::testing::FakeWorker worker_{loop_};
  apiserver::testing::FakeApi api_{loop_};
  FileSourceOptions files_;
  ClusterSourceOptions options_;
  std::vector<int> applied_;
  std::vector<std::string> events_;
  std::unique_ptr<InForce> config_;
};

}  // namespace tranche::profile::testing
