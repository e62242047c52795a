#include "sim/cuda/capture.h"

namespace tranche::sim::cuda {

Result CaptureOperation(StreamObject& /*stream*/, const Operation& /*operation*/) {
  return kStreamCaptureUnsupported;
}
Result CaptureRecord(StreamObject& /*stream*/, EventObject& /*event*/) {
  return kStreamCaptureUnsupported;
}
Result CaptureWait(StreamObject& /*stream*/, EventObject& /*event*/) {
  return kStreamCaptureUnsupported;
}
Result AllowsWork(StreamObject& /*stream*/) { return kSuccess; }
Result AllowsWait(StreamObject& /*stream*/) { return kSuccess; }
Result AllowsWait(EventObject& /*event*/) { return kSuccess; }
Result AllowsUnsafeCall(Process& /*process*/) { return kSuccess; }

}  // namespace tranche::sim::cuda
