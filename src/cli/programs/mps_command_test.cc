#include "cli/programs/mps_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

namespace tranche::cli::programs {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(MpsControlDaemonTest, SaysWhatToUseInsteadAndFails) {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{}, {"mount-shm"}, {"--mig-strategy=none"}}) {
    std::ostringstream out;
    std::ostringstream errors;
    EXPECT_EQ(RunMpsControlDaemon(arguments, out, errors), 1);
    EXPECT_THAT(out.str(), IsEmpty());
    EXPECT_THAT(errors.str(), HasSubstr("not supported"));
    EXPECT_THAT(errors.str(), HasSubstr("sharing.timeSlicing"));
  }
}

TEST(MpsControlDaemonTest, HelpIsNoFailure) {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"--help"}, {"mount-shm", "-h"}, {"--version"}}) {
    std::ostringstream out;
    std::ostringstream errors;
    EXPECT_EQ(RunMpsControlDaemon(arguments, out, errors), 0);
    EXPECT_THAT(errors.str(), IsEmpty());
  }
}

}  // namespace
}  // namespace tranche::cli::programs
