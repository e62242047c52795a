// The configuration in force over a source that says what a test wants, in virtual time, with the
// last good config in a folder of the test's.
//
// Threading: the test's thread, which runs the loop.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/disk/testing/fake_worker.h"
#include "base/status.h"
#include "base/testing/fake_loop.h"
#include "base/testing/temp_dir.h"
#include "config/load.h"
#include "profile/in_force.h"
#include "profile/testing/replicas.h"

namespace tranche::profile::testing {

inline constexpr char kBad[] = "version: v9\n";

class FakeSource : public ConfigSource {
 public:
  [[nodiscard]] WantedConfig Read() const override {
    ++reads;
    return wanted;
  }
  [[nodiscard]] std::vector<std::string> AvailableProfiles() const override { return {}; }
  WantedConfig wanted;
  std::function<void()> changed;
  mutable int reads = 0;
};

class InForceTest : public ::testing::Test {
 protected:
  void SetUp() override { Restart(); }

  // A new process: nothing in memory, the disk as it was.
  void Restart() {
    const WantedConfig wanted = source_ == nullptr ? WantedConfig() : source_->wanted;
    config_.reset();
    node_ = base::Status::Ok();
    applied_.clear();
    sources_.clear();
    events_.clear();
    config_ = std::make_unique<InForce>(
        loop_,
        [&](std::function<void()> changed) {
          auto source = std::make_unique<FakeSource>();
          source->wanted = wanted;
          source->changed = std::move(changed);
          source_ = source.get();
          return source;
        },
        Overrides{}, LastGoodPlace{.directory = state_, .worker = &worker_},
        InForce::Owner{.apply = [this](const config::Loaded& loaded,
                                       const std::string& source) -> base::Status {
                         TRANCHE_TRY(node_);
                         const auto& resources = loaded.config.time_slicing.resources;
                         applied_.push_back(resources.empty() ? 0 : resources[0].replicas);
                         sources_.push_back(source);
                         return base::Status::Ok();
                       },
                       .event =
                           [this](daemon::EventType type, const std::string& reason,
                                  const std::string& message) {
                             events_.push_back(std::string(TypeName(type)) + " " + reason + ": " +
                                               message);
                           },
                       .source_changed = {}});
  }

  void Want(const std::string& text, const std::string& profile = "default") {
    source_->wanted = {.profile = profile,
                       .source = "/profiles/" + profile,
                       .named = true,
                       .status = base::Status::Ok(),
                       .text = text};
  }
  void WantNothingNamed() { source_->wanted = {}; }
  void WantMissing() {
    source_->wanted = {.profile = "",
                       .source = "/profiles",
                       .named = true,
                       .status = {base::Code::kNotFound, "specified config prod does not exist"},
                       .text = ""};
  }
  const ConfigState& state() const { return config_->state(); }
  std::vector<std::string> TakeEvents() { return std::exchange(events_, {}); }
  void Save() { loop_.AdvanceBy(std::chrono::milliseconds(20)); }

  base::testing::TempDir dir_;
  const std::string state_ = dir_ / "tranche";
  base::testing::FakeLoop loop_;
  base::disk::testing::FakeWorker worker_{loop_};
  FakeSource* source_ = nullptr;
  base::Status node_;         // what the node says to any config
  std::vector<int> applied_;  // replicas of each that was taken into use
  std::vector<std::string> sources_;
  std::vector<std::string> events_;
  std::unique_ptr<InForce> config_;
};

}  // namespace tranche::profile::testing
