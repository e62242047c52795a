// HostThread does in this process what one context's streams have come to. A context has two, each
// made when it is first needed, and they end soon after the context: one runs host functions; the
// other looks for the values that streams wait for and writes what cuStreamWriteValue writes. So a
// host function may wait for a word that another stream of its context writes.
//
// Threading: Start under the process's lock.
// Errors: kOperatingSystem where no thread can be had.
#pragma once

#include <cstdint>
#include <memory>

#include "sim/cuda/objects.h"

namespace tranche::sim::cuda {

class HostThread {
 public:
  enum class Role : std::uint8_t { kFunctions, kWords };

  // Makes the context's thread for what is of this kind, where there is none yet.
  static Result Start(const std::shared_ptr<ContextObject>& context, PendingItem::Kind kind);

 private:
  struct Given {
    std::shared_ptr<ContextObject> context;
    Role role;
  };
  static void* Main(void* given);
};

}  // namespace tranche::sim::cuda
