#include "gpu/nvml/remedy.h"

namespace tranche::gpu::nvml {
namespace {

using base::Code;

std::string_view Cost(Detail detail) {
  switch (detail) {
    case Detail::kDriverVersion:
      return "the driver's version is not labelled, and no CDI spec can be written";
    case Detail::kCudaVersion:
      return "the CUDA version is not labelled";
    case Detail::kName:
      return "its model is not labelled";
    case Detail::kPci:
      return "its NUMA node is not told to the kubelet";
    case Detail::kMemory:
      return "its memory is not labelled";
    case Detail::kCompute:
      return "its compute capability is not labelled";
    case Detail::kFabric:
      return "its fabric is not labelled";
    case Detail::kMig:
      return "it is taken for a GPU that is not cut by MIG, or is cut as before";
    case Detail::kMigCount:
      return "MIG devices are looked for up to the seventh";
    case Detail::kMigInstance:
      return "its capability nodes are not known, and faults of its whole GPU count for it";
    case Detail::kMigAttributes:
      return "its sizes, or what its profile has beside them, are not known";
  }
  return "";
}

}  // namespace

std::string_view Remedy(Code code) {
  switch (code) {
    case Code::kPermissionDenied:
      return "where a GPU is cut by MIG, run the container privileged or with CAP_SYS_ADMIN, and "
             "with NVIDIA_MIG_MONITOR_DEVICES=all";
    case Code::kDataLoss:
      return "reset the GPU (nvidia-smi --gpu-reset) or restart the node";
    case Code::kUnimplemented:
      return "see whether the driver is too old for this GPU";
    default:
      return "see what nvidia-smi and the kernel's log (NVRM) on the node say; it is asked again "
             "at each look";
  }
}

std::string DescribeUnread(Detail detail, const base::Status& why) {
  std::string text = why.message();
  return text.append(": ").append(Cost(detail)).append("; ").append(Remedy(why.code()));
}

}  // namespace tranche::gpu::nvml
