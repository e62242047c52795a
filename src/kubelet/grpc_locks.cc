#include "kubelet/grpc_locks.h"

#include <absl/synchronization/mutex.h>

namespace tranche::kubelet {

void UseGrpcLocksPlainly() { absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore); }

}  // namespace tranche::kubelet
