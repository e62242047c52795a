#include "cli/node/status.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <ctime>
#include <memory>
#include <sstream>

#include "agent/status/report.h"
#include "base/file.h"
#include "base/testing/fake_loop.h"
#include "base/testing/temp_dir.h"
#include "daemon/status_file.h"

namespace tranche::cli::node {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

agent::status::AgentState WellState() {
  agent::status::AgentState state;
  state.version = "0.1.0";
  state.node_name = "node-a";
  state.started = "2026-01-02T03:04:05Z";
  state.config = {.profile = "dev", .source = "/configs/dev", .usable = true, .applied = 1};
  state.driver = {.ready = true, .version = "570.172.08", .cuda_version = "12.8"};
  state.gpus.push_back(
      {.uuid = "GPU-1", .index = "0", .name = "A100", .memory_bytes = 80ULL << 30U});
  state.resources.push_back({.name = "nvidia.com/gpu",
                             .phase = "serving",
                             .devices = 8,
                             .healthy = 8,
                             .held = 3,
                             .registrations = 1});
  state.holders_known = true;
  return state;
}

class StatusTest : public ::testing::Test {
 protected:
  StatusTest() { options_.run_directory = directory_.path(); }
  [[nodiscard]] std::string Path() const { return directory_ / "status.json"; }
  void Write(const std::string& text) { ASSERT_TRUE(base::WriteFileAtomic(Path(), text).ok()); }
  void Write(const agent::status::AgentState& state) {
    Write(agent::status::StatusJson(state).Dump());
  }
  int Show() {
    out_.str("");
    errors_.str("");
    return ShowStatus(options_, out_, errors_);
  }

  const base::testing::TempDir directory_;
  StatusOptions options_;
  std::ostringstream out_;
  std::ostringstream errors_;
};

TEST_F(StatusTest, AWellAgentIsShownAndIsZero) {
  Write(WellState());
  EXPECT_EQ(Show(), 0);
  const std::string text = out_.str();
  EXPECT_THAT(text, HasSubstr("tranche 0.1.0 on node-a: ready"));
  EXPECT_THAT(text, HasSubstr("dev (/configs/dev)"));
  EXPECT_THAT(text, HasSubstr("570.172.08, CUDA 12.8"));
  EXPECT_THAT(text, HasSubstr("nvidia.com/gpu  serving  8           8        3"));
  EXPECT_THAT(text, HasSubstr("80.0 GiB"));
  EXPECT_THAT(text, Not(HasSubstr("Degraded")));
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  EXPECT_EQ(errors_.str(), "");
}

TEST_F(StatusTest, ASickGpuIsOneAndSaysWhyAndUntilWhen) {
  agent::status::AgentState state = WellState();
  state.gpus[0].healthy = false;
  state.gpus[0].reason = "XID 31";
  state.gpus[0].healthy_in_seconds = 41.2;
  state.resources[0].healthy = 4;
  state.events.push_back({.type = daemon::EventType::kWarning,
                          .reason = "DeviceUnhealthy",
                          .message = "GPU-1: XID 31",
                          .wall_time = "2026-01-02T03:05:00Z",
                          .count = 3});
  Write(state);
  EXPECT_EQ(Show(), 1);
  EXPECT_THAT(out_.str(), HasSubstr("ready, degraded"));
  EXPECT_THAT(out_.str(), HasSubstr("XID 31; healthy again in 42 s"));
  EXPECT_THAT(out_.str(), HasSubstr("gpu GPU-1: unhealthy: XID 31"));
  EXPECT_THAT(out_.str(), HasSubstr("DeviceUnhealthy  3      GPU-1: XID 31"));
}

TEST_F(StatusTest, NotReadyIsOne) {
  agent::status::AgentState state = WellState();
  state.config = {.wanted_source = "/configs/x", .error = "no good"};
  Write(state);
  EXPECT_EQ(Show(), 1);
  EXPECT_THAT(out_.str(), HasSubstr("not ready"));
  EXPECT_THAT(out_.str(), HasSubstr("none in force"));
}

TEST_F(StatusTest, TheLastGoodConfigIsNamedWithWhatIsWanted) {
  agent::status::AgentState state = WellState();
  state.config.from_last_good = true;
  state.config.wanted_profile = "prod";
  state.config.error = "specified config prod does not exist";
  Write(state);
  EXPECT_EQ(Show(), 1);
  EXPECT_THAT(out_.str(), HasSubstr("the last good one, instead of prod"));
}

TEST_F(StatusTest, NoAgentOrAnUnreadableFileIsTwo) {
  EXPECT_EQ(Show(), 2);
  EXPECT_THAT(errors_.str(), HasSubstr("no agent has run here"));
  for (const char* text : {"", "{", "[]", "{\"kind\": \"Pod\"}",
                           "{\"kind\": \"AgentStatus\", \"apiVersion\": \"tranche.dev/v9\"}"}) {
    Write(std::string(text));
    EXPECT_EQ(Show(), 2) << text;
    EXPECT_EQ(out_.str(), "") << text;
    EXPECT_NE(errors_.str(), "") << text;
  }
}

// SIGKILL leaves the file, which says that all is well.
TEST_F(StatusTest, AnAgentThatWasKilledIsTwoThoughItsFileIsNew) {
  base::testing::FakeLoop loop;
  auto agent = std::make_unique<daemon::StatusFile>(
      loop, directory_.path(), [] { return agent::status::StatusJson(WellState()); });
  agent->Changed();
  loop.AdvanceBy(std::chrono::seconds(1));
  EXPECT_EQ(Show(), 0);
  agent.reset();
  for (const bool json : {false, true}) {
    options_.json = json;
    EXPECT_EQ(Show(), 2);
    EXPECT_EQ(out_.str(), "");
    EXPECT_THAT(errors_.str(), HasSubstr("the agent has gone without a word"));
  }
}

TEST_F(StatusTest, AnAgentThatHasToldNothingForLongIsOneAndSaysSo) {
  Write(WellState());
  const auto set_age = [this](std::chrono::seconds age) {
    const timespec then{.tv_sec = std::time(nullptr) - age.count(), .tv_nsec = 0};
    const timespec times[] = {then, then};
    ASSERT_EQ(utimensat(AT_FDCWD, Path().c_str(), times, 0), 0);
  };
  set_age(kTooOld - std::chrono::seconds(5));
  EXPECT_EQ(Show(), 0);
  set_age(std::chrono::minutes(10));
  EXPECT_EQ(Show(), 1);
  EXPECT_THAT(out_.str(), HasSubstr("does not answer  (told 10 min ago)"));
  EXPECT_THAT(out_.str(), Not(HasSubstr("ready")));
}

TEST_F(StatusTest, HostileStringsCannotReachTheTerminal) {
  agent::status::AgentState state = WellState();
  state.gpus[0].name = "A100\x1b]0;owned\x07\nfake line";
  state.config.profile = std::string(100'000, 'p');
  state.warnings.emplace_back("\x1b[2J");
  Write(state);
  EXPECT_EQ(Show(), 1);
  EXPECT_THAT(out_.str(), Not(HasSubstr("\x1b")));
  EXPECT_THAT(out_.str(), Not(HasSubstr("\x07")));
  EXPECT_THAT(out_.str(), Not(HasSubstr("\nfake line")));
  EXPECT_LT(out_.str().size(), 5000U);
}

TEST_F(StatusTest, FieldsOfTheWrongKindAreEmptyNotFatal) {
  Write(std::string(R"({"apiVersion": "tranche.dev/v1", "kind": "AgentStatus", "ready": "yes",
    "degraded": 3, "config": [], "driver": null, "gpus": [1, {"memoryBytes": "x", "index": {}}],
    "resources": {"a": 1}, "holders": 1, "events": [null, []]})"));
  EXPECT_EQ(Show(), 1);
  EXPECT_THAT(out_.str(), HasSubstr("not ready"));
}

TEST_F(StatusTest, ColourOnlyWhenWanted) {
  Write(WellState());
  options_.color = cli::common::Color::kOn;
  EXPECT_EQ(Show(), 0);
  EXPECT_THAT(out_.str(), HasSubstr("\x1b[32mready\x1b[0m"));
}

TEST_F(StatusTest, JsonIsTheAgentsOwn) {
  const agent::status::AgentState state = WellState();
  Write(state);
  options_.json = true;
  EXPECT_EQ(Show(), 0);
  const base::Result<base::Json> json = base::Json::Parse(out_.str());
  ASSERT_TRUE(json.ok());
  EXPECT_TRUE(*json == agent::status::StatusJson(state));
}

TEST_F(StatusTest, TheCommandSetsTheExitCodeAndRefusesUnknownOutputs) {
  CLI::App app;
  int exit_code = -1;
  AddStatusCommand(app, exit_code);
  app.parse("status --run-dir " + directory_.path() + " -o json", false);
  EXPECT_EQ(exit_code, 2);
  CLI::App other;
  AddStatusCommand(other, exit_code);
  EXPECT_THROW(other.parse("status -o yaml", false), CLI::ValidationError);
}

}  // namespace
}  // namespace tranche::cli::node
