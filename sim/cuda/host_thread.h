// HostThread runs the host functions of one context's streams, polls for the values that its
// streams wait for, and does what cuStreamWriteValue writes at its time. It is made when a context
// first needs it and ends soon after the context.
//
// Threading: Start under the process's lock.
// Errors: kOperatingSystem where no thread can be had.
#pragma once

#include <memory>

#include "sim/cuda/objects.h"

namespace tranche::sim::cuda {

class HostThread {
 public:
  // Makes the context's thread where there is none yet.
  static Result Start(const std::shared_ptr<ContextObject>& context);

 private:
  static void* Main(void* context);
};

}  // namespace tranche::sim::cuda
