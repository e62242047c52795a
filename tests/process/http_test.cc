// The HTTP port under attack, and in both address families.
#include <gtest/gtest.h>

#include <list>
#include <string>

#include "http/tcp_listener.h"
#include "http/testing/client.h"
#include "tests/process/rig.h"

namespace tranche::process {
namespace {

using http::testing::Client;
using std::chrono::milliseconds;

// Two requests whose bodies come at a byte every few seconds, and many connections that say
// nothing: two of the former once kept the kubelet's probes from being answered, so that it killed
// the agent again and again. The attacker has the address of the prober here, which is the harder
// case.
TEST(HttpTest, ProbesAreAnsweredUnderSlowRequestsAndIdleConnections) {
  Rig rig;
  rig.WriteConfig(Shared(4));
  const pid_t pid = rig.Start();
  ASSERT_TRUE(rig.CountBecomes(8));
  ASSERT_TRUE(rig.Until([&] { return rig.Get("/readyz").status == 200; }));

  std::list<Client> slow;
  std::list<Client> idle;
  for (int round = 0; round < 12; ++round) {
    while (slow.size() < 2) {
      slow.emplace_back(rig.port());
      slow.back().Send("POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n");
    }
    while (idle.size() < 100)
      idle.emplace_back(rig.port(), "127.0.0." + std::to_string(idle.size() / 10 + 1));
    for (Client& client : slow) client.Send("x");
    EXPECT_EQ(rig.Get("/livez").status, 200) << round;
    EXPECT_EQ(rig.Get("/readyz").status, 200) << round;
    rig.Turn(milliseconds(250));
    EXPECT_EQ(rig.Get("/livez").status, 200) << round;
    // Whoever is cut off comes back.
    const auto cut = [](Client& client) { return client.Closed(); };
    slow.remove_if(cut);
    idle.remove_if(cut);
    EXPECT_LE(slow.size() + idle.size(), 32U) << "more connections than the limit";
  }
  EXPECT_TRUE(rig.Runs(pid));
  ASSERT_NE(rig.RunPod("meanwhile"), 0);
}

TEST(HttpTest, BothAddressFamiliesAreServed) {
  Rig rig;
  rig.WriteConfig(Shared(4));
  rig.Start({.flags = {"--listen=[::]:" + std::to_string(rig.port())}});
  ASSERT_TRUE(rig.CountBecomes(8));
  EXPECT_TRUE(rig.Until([&] { return rig.Get("/readyz").status == 200; }));
  if (!http::ListenOnTcp("[::1]:0").ok()) GTEST_SKIP() << "this machine has no IPv6";
  Client client(rig.port(), "::1");
  client.Send(http::testing::Request("GET", "/livez"));
  EXPECT_TRUE(rig.Until([&] { return client.Closed(); }));
  EXPECT_EQ(client.Received().find("HTTP/1.1 200 OK"), 0U) << client.Received();
}

TEST(HttpTest, AnAddressThatIsNoneIsRefusedAtStart) {
  Rig rig;
  EXPECT_EQ(rig.Run({"tranche", "agent", "--listen=localhost:9435"}, "wrong.log"), 1);
  EXPECT_TRUE(rig.Logged("--listen: \"localhost:9435\" is not [address:]port", "wrong.log"));
}

}  // namespace
}  // namespace tranche::process
