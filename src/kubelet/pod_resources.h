// Reads which device ids there are and which containers hold them, from the kubelet's pod-resources
// socket (k8s.io/kubelet podresources v1, GetAllocatableResources and List).
//
// The kubelet answers at most 100 times in a burst, so call it seldom.
//
// Threading: the loop's thread.
// Errors: a Status in the callback; kNotFound where there is no such socket.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "rpc/client.h"

namespace tranche::kubelet {

struct Holding {
  std::string pod_namespace;
  std::string pod;
  std::string container;
  std::string resource;
  std::vector<std::string> ids;
  friend bool operator==(const Holding&, const Holding&) = default;
};

// One List call, bounded to 5 s and 16 MiB; `done` runs on the loop. kNotFound: no such socket.
void ListHoldings(rpc::Caller& caller, const std::string& socket_path,
                  std::function<void(base::Result<std::vector<Holding>>)> done);

// The ids of one resource that the kubelet can give: those that are healthy, held or not.
struct Offer {
  std::string resource;
  std::vector<std::string> ids;
  friend bool operator==(const Offer&, const Offer&) = default;
};

// The last answer to a question that is asked again and again. The kubelet walks through maps, and
// so gives the same entries in any order.
class LastAnswer {
 public:
  // Whether this answer says what the one before it said. It is the last one from now on.
  bool Repeats(std::string answer);
  [[nodiscard]] const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
  std::vector<std::string_view> entries_;  // of bytes_, in an order of their own
};

// What the kubelet says of the devices on this node.
struct DeviceAnswer {
  std::vector<Holding> holdings;
  // Absent where it does not tell: a kubelet before 1.28 need not.
  std::optional<std::vector<Offer>> offers;
};

// Asks for both, each by one call that is bounded as above, and reads only what is new.
class DeviceLister {
 public:
  // nullopt: what the last good answer said still holds.
  using Done = std::function<void(base::Result<std::optional<DeviceAnswer>>)>;

  explicit DeviceLister(base::EventLoop& loop) : caller_(rpc::Caller::New(loop)) {}
  DeviceLister(const DeviceLister&) = delete;
  DeviceLister& operator=(const DeviceLister&) = delete;

  // One question at a time. Destruction ends it without an answer.
  void Ask(const std::string& socket_path, Done done);

 private:
  [[nodiscard]] base::Result<std::optional<DeviceAnswer>> Read(std::string held,
                                                               base::Result<std::string> offered);

  // Of the last good answer.
  struct Last {
    LastAnswer held;
    LastAnswer offered;
    bool offers = false;
  };
  std::optional<Last> last_;
  std::unique_ptr<rpc::Caller> caller_;
};

}  // namespace tranche::kubelet
