#include "agent/serve/endpoint_names.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <set>

#include "base/testing/real_loop.h"
#include "rpc/unix_socket.h"

namespace tranche::agent::serve {
namespace {

constexpr char kGpu[] = "nvidia.com/gpu";

class EndpointNamesTest : public ::testing::Test {
 protected:
  void SetUp() override { NewKubelet(); }

  // As a kubelet does at its start: another socket under the same name.
  void NewKubelet() {
    unlink(kubelet_.c_str());
    auto socket = rpc::ListenOnUnixSocket(kubelet_, 0600, 1);
    ASSERT_TRUE(socket.ok());
    socket_ = std::move(*socket);
  }
  EndpointNames New() const { return {state_, kubelet_}; }
  [[nodiscard]] std::string File() const { return state_ + "/endpoints.json"; }

  base::testing::TempDir dir_;
  const std::string state_ = dir_ / "tranche";
  const std::string kubelet_ = dir_ / "kubelet.sock";
  base::UniqueFd socket_;
};

TEST(EndpointNameTest, IsUpstreamsAndThenNumbered) {
  EXPECT_EQ(EndpointName("nvidia.com/gpu", 0), "nvidia-gpu.sock");
  EXPECT_EQ(EndpointName("nvidia.com/gpu.shared", 0), "nvidia-gpu.shared.sock");
  EXPECT_EQ(EndpointName("nvidia.com/mig-1g.5gb", 0), "nvidia-mig-1g.5gb.sock");
  EXPECT_EQ(EndpointName("nvidia.com/gpu", 3), "nvidia-gpu.3.sock");
}

TEST_F(EndpointNamesTest, TheSameKubeletSeesANewNameEachTime) {
  EndpointNames names = New();
  EXPECT_EQ(names.Next(kGpu), "nvidia-gpu.sock");
  EXPECT_EQ(names.Next(kGpu), "nvidia-gpu.1.sock");
  EXPECT_EQ(names.Next("nvidia.com/gpu.shared"), "nvidia-gpu.shared.sock");
  EXPECT_EQ(names.Next(kGpu), "nvidia-gpu.2.sock");
}

TEST_F(EndpointNamesTest, AnotherKubeletSeesThePlainNameAgain) {
  EndpointNames names = New();
  names.Next(kGpu);
  names.Next(kGpu);
  NewKubelet();
  EXPECT_EQ(names.Next(kGpu), "nvidia-gpu.sock");
  EXPECT_EQ(names.Next(kGpu), "nvidia-gpu.1.sock");
  NewKubelet();
  EXPECT_EQ(New().Next(kGpu), "nvidia-gpu.sock");
}

TEST_F(EndpointNamesTest, ARestartedAgentGoesOnCounting) {
  EXPECT_EQ(New().Next(kGpu), "nvidia-gpu.sock");
  EXPECT_EQ(New().Next(kGpu), "nvidia-gpu.1.sock");
  EXPECT_EQ(New().Next(kGpu), "nvidia-gpu.2.sock");
}

TEST_F(EndpointNamesTest, TwoAgentsNeverGetTheSameName) {
  EndpointNames one = New();
  EndpointNames two = New();
  std::set<std::string> seen;
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(seen.insert(one.Next(kGpu)).second);
    EXPECT_TRUE(seen.insert(two.Next(kGpu)).second);
    if (i % 3 == 0) {
      EXPECT_TRUE(seen.insert(two.Next(kGpu)).second);
    }
  }
}

TEST_F(EndpointNamesTest, ADamagedFileCountsAsNone) {
  for (const char* damaged :
       {"", "{", "null", "[]", "{\"kubelet\":3}", "\x7f\x45LF", "{\"kubelet\":\"\",\"used\":[]}"}) {
    ASSERT_TRUE(base::WriteFileAtomic(File(), damaged).ok());
    EXPECT_EQ(New().Next(kGpu), "nvidia-gpu.sock") << damaged;
    EXPECT_EQ(New().Next(kGpu), "nvidia-gpu.1.sock") << "mended by the first name taken";
  }
  ASSERT_TRUE(base::WriteFileAtomic(File(), std::string(1U << 20U, ' ')).ok());
  EXPECT_EQ(New().Next(kGpu), "nvidia-gpu.sock");
}

TEST_F(EndpointNamesTest, ADamagedFileForgetsNothingInTheProcess) {
  EndpointNames names = New();
  names.Next(kGpu);
  ASSERT_TRUE(base::WriteFileAtomic(File(), "garbage").ok());
  EXPECT_EQ(names.Next(kGpu), "nvidia-gpu.1.sock");
}

TEST_F(EndpointNamesTest, CountsThatCannotBeAreIgnored) {
  New().Next(kGpu);
  std::string text = *base::ReadFile(File(), 10'000);
  for (const char* count : {"-1", "99999999999", "\"1\"", "1e9", "null", "[]"}) {
    std::string forged = text;
    forged.replace(forged.find(":1}") + 1, 1, count);
    ASSERT_TRUE(base::WriteFileAtomic(File(), forged).ok());
    EXPECT_EQ(New().Next(kGpu), "nvidia-gpu.sock") << forged;
  }
}

TEST_F(EndpointNamesTest, NamesStayUniqueWhereNothingCanBeWritten) {
  ASSERT_TRUE(base::WriteFileAtomic(state_, "a file where the folder should be").ok());
  EndpointNames names = New();
  EXPECT_EQ(names.Next(kGpu), "nvidia-gpu.sock");
  EXPECT_EQ(names.Next(kGpu), "nvidia-gpu.1.sock");
  NewKubelet();
  EXPECT_EQ(names.Next(kGpu), "nvidia-gpu.sock");
}

// NVIDIA's own plugin, or an agent whose file was lost: its stream may be open, its socket must
// stay.
TEST_F(EndpointNamesTest, ANameThatSomebodyServesIsPassedOver) {
  const auto other = rpc::ListenOnUnixSocket(dir_ / "nvidia-gpu.sock", 0600, 8);
  const auto third = rpc::ListenOnUnixSocket(dir_ / "nvidia-gpu.1.sock", 0600, 8);
  ASSERT_TRUE(other.ok() && third.ok());
  EXPECT_EQ(New().Next(kGpu), "nvidia-gpu.2.sock");
  EXPECT_EQ(New().Next(kGpu), "nvidia-gpu.3.sock");
}

TEST_F(EndpointNamesTest, AStaleSocketIsNobody) {
  { const auto dead = rpc::ListenOnUnixSocket(dir_ / "nvidia-gpu.sock", 0600, 8); }
  ASSERT_TRUE(base::IdentityOf(dir_ / "nvidia-gpu.sock").exists());
  EXPECT_EQ(New().Next(kGpu), "nvidia-gpu.sock");
}

// "gpu" under its second name and "gpu.1" under its first would share a socket.
TEST_F(EndpointNamesTest, TwoResourcesNeverShareASocket) {
  EndpointNames names = New();
  names.Next(kGpu);
  const std::string second = names.Next(kGpu);
  const auto served = rpc::ListenOnUnixSocket(dir_ / second, 0600, 8);
  EXPECT_NE(names.Next("nvidia.com/gpu.1"), second);
}

}  // namespace
}  // namespace tranche::agent::serve
