// Pods are the pods of this node by UID, with the names of their containers, as the API server
// tells of them: the one source that knows which container has which id.
//
// Objects are reduced as they arrive. A pod that has gone is remembered for a while, since what a
// process of it did is often counted only later; and at most kMaxPods are known at all.
//
// Threading: the loop's thread.
// Errors: an object that lacks a UID or a name is ignored.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/json.h"
#include "node/identity/cgroup.h"
#include "node/identity/held.h"

namespace tranche::node::identity {

inline constexpr std::size_t kMaxPods = 4096;  // a kubelet runs a few hundred at most
inline constexpr base::Duration kRememberGone = std::chrono::minutes(2);

// Whose a process is. Names are as in the API server, which has checked their characters.
struct Owner {
  std::string pod_namespace;
  std::string pod;
  std::string container;  // "" where it is not known, or where it is the pod's own process
  std::string pod_uid;
  friend bool operator==(const Owner&, const Owner&) = default;
};

// What the annotations of a pod ask for, as they stand there.
struct MemoryAsk {
  // Cut at kMaxAskBytes + 1, by which it can be told that it is too long.
  std::optional<std::string> text;
  bool for_container = false;  // there is one for a container, too
  friend bool operator==(const MemoryAsk&, const MemoryAsk&) = default;
};
inline constexpr std::size_t kMaxAskBytes = 64;
// On a pod; and with "NAME.container." before it for one container.
inline constexpr char kMemoryAnnotation[] = "tranche.dev/gpu-memory";

// A pod as the API server names it.
struct PodRef {
  std::string pod_namespace;
  std::string name;
  std::string uid;
};

class Pods {
 public:
  explicit Pods(const base::EventLoop& loop) : loop_(loop) {}

  // The callbacks of an apiserver::ApiWatch::Owner.
  void Listed(const base::Json::Array& objects);
  void Changed(const base::Json& object);
  void Removed(const base::Json& object);

  // Where the pod is not known (yet), only the UID is filled in. A container is known by its id,
  // and before that is told: where the pod has no other one.
  [[nodiscard]] Owner OwnerOf(const PodGroup& group) const;
  // Whether the pod is there; nullopt where none of that name or UID is known.
  [[nodiscard]] std::optional<bool> Alive(const Owner& owner) const;
  // The pods by the UIDs of their groups; nullopt where none of that UID is known.
  [[nodiscard]] std::optional<PodRef> ObjectOf(const std::string& group_uid) const;
  [[nodiscard]] std::optional<MemoryAsk> AskOf(const std::string& group_uid) const;
  // Fills in the UID of the pod of each holding, since the kubelet names pods by name alone. A pod
  // that was seen first after `asked`, when the kubelet was asked, may be another one of the same
  // name: holdings under that name get no UID.
  void WithUids(std::vector<Held>& held, base::TimePoint asked) const;
  // When the pod that is known for the shortest time was seen first.
  [[nodiscard]] base::TimePoint newest() const { return newest_; }
  // The ids of all containers that are known.
  [[nodiscard]] std::set<std::string> ContainerIds() const;
  [[nodiscard]] std::size_t size() const { return pods_.size(); }

 private:
  struct Container {
    std::string id;
    std::string name;
  };
  struct Pod {
    std::string pod_namespace;
    std::string name;
    std::string group_uid;  // by which the kubelet names its group: a static pod's is another
    std::vector<Container> containers;
    std::string only;  // its one container's name; "" where it may have several
    MemoryAsk ask;
    base::TimePoint since;  // it was told of
    bool gone = false;
    base::TimePoint gone_since;
  };
  void Put(const base::Json& object);
  void Go(const std::string& uid);
  void Forget();
  void CountName(const Pod& pod, int by);
  [[nodiscard]] const Pod* Find(const std::string& group_uid) const;

  const base::EventLoop& loop_;
  std::map<std::string, Pod> pods_;               // by metadata.uid
  std::map<std::string, std::string> group_uid_;  // group's UID to metadata.uid
  struct Named {                                  // how many pods have the name
    int known = 0;
    int there = 0;
  };
  std::map<std::string, std::map<std::string, Named>> names_;  // by namespace and name
  base::TimePoint newest_{};
};

}  // namespace tranche::node::identity
