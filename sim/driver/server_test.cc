// The driver's socket, in the process of the test.
#include "sim/driver/server.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "sim/driver/testing/machine_fixture.h"

namespace tranche::sim::driver {
namespace {

// No descriptor can be made while it is there.
class NoDescriptors {
 public:
  NoDescriptors() {
    getrlimit(RLIMIT_NOFILE, &before_);
    const base::UniqueFd next(dup(0));
    rlimit now = before_;
    now.rlim_cur = static_cast<rlim_t>(next.get());
    setrlimit(RLIMIT_NOFILE, &now);
  }
  ~NoDescriptors() { setrlimit(RLIMIT_NOFILE, &before_); }
  NoDescriptors(const NoDescriptors&) = delete;
  NoDescriptors& operator=(const NoDescriptors&) = delete;

 private:
  rlimit before_{};
};

class ServerTest : public testing::MachineFixture {
 protected:
  ServerTest() : server(std::move(Server::Listen(path, machine, clock)).value()) {}

  [[nodiscard]] base::UniqueFd Connect() const {
    base::UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    TRANCHE_CHECK(path.size() < sizeof address.sun_path);
    path.copy(address.sun_path, path.size());
    TRANCHE_CHECK(connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) ==
                  0);
    return fd;
  }
  // One turn; whether nothing came before its deadline.
  bool IsQuiet() {
    const std::uint64_t deadline = MonotonicNs() + testing::kMs;
    server->Wait(deadline);
    const bool quiet = MonotonicNs() >= deadline;
    server->Handle();
    return quiet;
  }

  std::string path = folder.path() + "/socket";
  DriverClock clock{.epoch_ns = MonotonicNs(), .scale = 1};
  std::unique_ptr<Server> server;
};

TEST_F(ServerTest, WithoutDescriptorsItSleepsUntilThereAreSome) {
  {
    // All is called once while there are descriptors: the undefined behaviour sanitizer takes one
    // to look at an object of a type that it has not met.
    const base::UniqueFd first = Connect();
    while (server->clients() == 0) IsQuiet();
  }
  while (server->clients() > 0) IsQuiet();
  const base::UniqueFd waiting = Connect();
  {
    const NoDescriptors none;
    int quiet = 0;
    for (int i = 0; i < 20; ++i) quiet += IsQuiet() ? 1 : 0;
    // A machine that holds this process up makes a turn longer, but not every one.
    EXPECT_GE(quiet, 15);
    EXPECT_EQ(server->clients(), 0U);
  }
  while (server->clients() == 0) IsQuiet();  // it tries again by itself
  const base::UniqueFd second = Connect();
  while (server->clients() < 2) IsQuiet();
}

TEST_F(ServerTest, AProgramThatGoesLetsTheNextOneIn) {
  base::UniqueFd first = Connect();
  while (server->clients() == 0) IsQuiet();
  const base::UniqueFd waiting = Connect();
  const NoDescriptors none;
  IsQuiet();
  EXPECT_EQ(server->clients(), 1U);
  first = {};
  while (server->clients() > 0) IsQuiet();
  // Its socket, process and page are free.
  while (server->clients() == 0) IsQuiet();
}

}  // namespace
}  // namespace tranche::sim::driver
