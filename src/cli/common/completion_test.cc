#include "cli/common/completion.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <CLI/CLI.hpp>

namespace tranche::cli::common {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class CompletionTest : public ::testing::Test {
 protected:
  CompletionTest() {
    app_.add_subcommand("agent");
    app_.add_subcommand("status")->add_option("--run-dir", text_);
    CLI::App* sim = app_.add_subcommand("sim");
    sim->add_subcommand("xid");
    app_.add_subcommand("__complete");
  }
  std::vector<std::string> After(const std::vector<std::string>& words) {
    return Complete(app_, words, {"--mig-strategy"});
  }
  CLI::App app_{"", "tranche"};
  std::string text_;
};

TEST_F(CompletionTest, OffersCommandsButNotTheHiddenOne) {
  EXPECT_THAT(After({""}), ElementsAre("agent", "sim", "status"));
  EXPECT_THAT(After({"s"}), ElementsAre("sim", "status"));
}

TEST_F(CompletionTest, OffersWhatFitsBehindASubcommand) {
  EXPECT_THAT(After({"sim", ""}), ElementsAre("xid"));
  EXPECT_THAT(After({"status", "--r"}), ElementsAre("--run-dir"));
  EXPECT_THAT(After({"agent", "--mig"}), ElementsAre("--mig-strategy"));
}

TEST_F(CompletionTest, OffersNothingWhereNothingFits) {
  EXPECT_THAT(After({"status", "zzz"}), IsEmpty());
  EXPECT_THAT(After({}), ElementsAre("agent", "sim", "status"));
}

TEST_F(CompletionTest, KnowsThreeShells) {
  for (const char* shell : {"bash", "zsh", "fish"}) {
    EXPECT_NE(CompletionScript(shell).find("tranche __complete"), std::string::npos) << shell;
  }
  EXPECT_EQ(CompletionScript("csh"), "");
}

}  // namespace
}  // namespace tranche::cli::common
