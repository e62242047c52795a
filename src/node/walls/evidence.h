// Evidence is what the driver shows of pods that have walls, beside what their own counters say:
// programs that keep to no wall, and memory that no counter knows of.
//
// Nothing is concluded from one look: what is shown has to be so in every look for kPatienceUs. A
// program that allocates while the driver is asked may have had more then than its counters say
// now, so a look counts against it only where its counters did not change meanwhile. A program that
// makes its counters change without end is found out once its pod has more than its limit.
//
// Threading: one thread; pure.
// Errors: none.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "node/walls/reason.h"

namespace tranche::node::walls {

class Evidence {
 public:
  // What a driver takes for a program after its context was measured is charged to nobody: the code
  // that it loads later, above all. Libraries such as cuBLAS and cuDNN bring hundreds of MiB of it.
  static constexpr std::uint64_t kToleranceBytes = 512ULL << 20U;
  static constexpr std::uint64_t kPatienceUs = 3'000'000;
  // For so long a pod that was refused memory is said to want some.
  static constexpr std::uint64_t kLatelyUs = 60'000'000;

  struct Key {
    std::string pod_uid;
    std::string device;
    // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy takes the compiler's code for the user's
    auto operator<=>(const Key&) const = default;
  };
  struct Attached {                 // one program
    std::uint64_t shown_bytes = 0;  // by the driver
    std::uint64_t known_bytes = 0;  // by the pod's counters
    std::uint64_t limit_bytes = 0;  // of the pod on the device
    bool steady = false;            // its counters did not change while the driver was asked
  };
  struct State {
    int attached = 0;  // programs on the device, at the last look
    int unattached = 0;
    Reason reason;  // of the first that has not attached
    bool unwalled = false;
    bool mismatch = false;

    std::optional<std::uint64_t> unattached_since_us;
    std::optional<std::uint64_t> above_since_us;
    // Of the look under way.
    std::uint64_t shown_bytes = 0;
    std::uint64_t limit_bytes = 0;
    bool above = false;
    bool perhaps_above = false;
  };
  // What this look has found out that earlier ones had not.
  struct Found {
    std::vector<Key> unwalled;
    std::vector<Key> mismatches;
  };

  void Begin(std::uint64_t time_us);
  // Begins the look at a device of which the driver lists all programs; what is known of other
  // devices stays. To be called before what is seen there.
  void LookAt(const std::string& device);
  void See(const Key& key, const Attached& program);
  void SeeUnattached(const Key& key, const Reason& reason);
  // How often the pod was refused memory so far.
  void NoteRefusals(const Key& key, std::uint64_t refusals);
  Found End();

  // nullptr: no program of the pod is on the device.
  [[nodiscard]] const State* Find(const Key& key) const;
  [[nodiscard]] bool RefusedLately(const Key& key) const;

 private:
  struct Refused {
    std::uint64_t count = 0;
    std::optional<std::uint64_t> last_us;
    bool noted = false;  // in the look under way
  };
  void EndOf(const Key& key, State& state, Found& found) const;
  [[nodiscard]] bool LongSince(std::optional<std::uint64_t>& since_us) const;

  std::uint64_t now_us_ = 0;
  std::set<std::string> looked_at_;
  std::map<Key, State> states_;
  std::map<Key, Refused> refused_;
};

}  // namespace tranche::node::walls
