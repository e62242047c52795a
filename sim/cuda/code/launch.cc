#include "sim/cuda/code/launch.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "sim/cuda/code/modules.h"
#include "sim/cuda/code/occupancy.h"
#include "sim/cuda/library.h"
#include "sim/cuda/lookup.h"
#include "sim/engine/hardware.h"
#include "sim/ptx/cost.h"
#include "sim/ptx/interpreter.h"

namespace tranche::sim::cuda {
namespace {

constexpr std::uint64_t kMaxCluster = 8;  // that every GPU with clusters has; 16 if asked for

// Kernels see the process's memory, and no addresses of it that are not CUDA's.
class ClientMemory : public ptx::Memory {
 public:
  bool Find(std::uint64_t address, Range* range) override {
    const Allocation* const found = Process::Get().memory().Find(address);
    if (found == nullptr || address >= found->base + found->bytes) return false;
    *range = {.begin = found->base,
              .end = found->base + found->bytes,
              .bytes = reinterpret_cast<std::uint8_t*>(found->host)};
    return true;
  }
};

// A launch that can be done any number of times, whatever becomes of its module.
struct Job {
  std::shared_ptr<const ptx::Image> image;
  std::size_t kernel = 0;
  std::shared_ptr<const std::vector<std::uint64_t>> addresses;
  std::vector<std::uint8_t> arguments;
  std::uint32_t grid[3] = {};
  std::uint32_t block[3] = {};
  std::uint32_t dynamic_shared = 0;
  std::uint64_t cost_ns = 0;
};

// Says in the driver's log, once for each kernel, that it computes nothing.
void TellOnce(const std::string& kernel, const std::string& why) {
  static auto* const told = new std::vector<std::string>();
  // The reason comes first: a message is short, and names are long.
  const std::string text = "not computed, " + why + ": kernel " + kernel;
  if (std::find(told->begin(), told->end(), text) != told->end()) return;
  if (told->size() < 1024) told->push_back(text);
  Process::Get().TellMissing(text.c_str());
}

Result Run(const Job& job) {
  const ptx::Kernel& kernel = job.image->kernels[job.kernel];
  if (kernel.code == nullptr) {
    TellOnce(kernel.name, kernel.obstacle);
    return kSuccess;
  }
  const auto now = static_cast<std::uint64_t>(Process::Get().connection().Now());
  ptx::Launch launch{.dynamic_shared = job.dynamic_shared,
                     .params = job.arguments,
                     .variables = *job.addresses,
                     .begins_ns = now,
                     .ends_ns = now + job.cost_ns};
  std::copy(std::begin(job.grid), std::end(job.grid), launch.grid);
  std::copy(std::begin(job.block), std::end(job.block), launch.block);
  ClientMemory memory;
  switch (ptx::Interpret(kernel, launch, memory).end) {
    case ptx::End::kDone:
      return kSuccess;
    case ptx::End::kIllegalAddress:
      return kIllegalAddress;
    case ptx::End::kMisaligned:
      return kMisalignedAddress;
    case ptx::End::kTrap:
      return kLaunchFailed;
    case ptx::End::kTooLong:
    case ptx::End::kTooLarge:
      TellOnce(kernel.name, "it takes too long");
      return kSuccess;
  }
  return kSuccess;
}

// The arguments from `kernelParams`, a pointer to each, or from the buffer that `extra` names.
Result CopyArguments(const ptx::Kernel& kernel, const KernelNodeParams& parameters,
                     std::vector<std::uint8_t>* arguments) {
  arguments->assign(kernel.param_bytes, 0);
  if (parameters.parameters != nullptr && parameters.extra != nullptr) return kInvalidValue;
  if (parameters.extra != nullptr) {
    const void* buffer = nullptr;
    std::size_t size = 0;
    for (void** word = parameters.extra; reinterpret_cast<std::uintptr_t>(*word) != kLaunchParamEnd;
         word += 2) {
      const auto key = reinterpret_cast<std::uintptr_t>(*word);
      if (key == kLaunchParamBufferPointer) {
        buffer = word[1];
      } else if (key == kLaunchParamBufferSize && word[1] != nullptr) {
        size = *static_cast<const std::size_t*>(word[1]);
      } else {
        return kInvalidValue;
      }
    }
    if (size < kernel.param_bytes || (buffer == nullptr && size != 0)) return kInvalidValue;
    if (kernel.param_bytes != 0) std::memcpy(arguments->data(), buffer, kernel.param_bytes);
    return kSuccess;
  }
  if (kernel.params.empty()) return kSuccess;
  if (parameters.parameters == nullptr) return kInvalidValue;
  for (std::size_t i = 0; i < kernel.params.size(); ++i) {
    const ptx::Param& param = kernel.params[i];
    if (parameters.parameters[i] == nullptr) return kInvalidValue;
    std::memcpy(arguments->data() + param.offset, parameters.parameters[i], param.size);
  }
  return kSuccess;
}

Result CheckShape(const FunctionObject& function, const KernelNodeParams& given) {
  const auto limit = [&](DeviceAttribute attribute) { return LimitOf(function, attribute); };
  if (given.grid_x == 0 || given.grid_y == 0 || given.grid_z == 0) return kInvalidValue;
  if (given.block_x == 0 || given.block_y == 0 || given.block_z == 0) return kInvalidValue;
  if (given.grid_x > limit(kAttributeMaxGridDimX) || given.grid_y > limit(kAttributeMaxGridDimY) ||
      given.grid_z > limit(kAttributeMaxGridDimZ) ||
      given.block_x > limit(kAttributeMaxBlockDimX) ||
      given.block_y > limit(kAttributeMaxBlockDimY) ||
      given.block_z > limit(kAttributeMaxBlockDimZ)) {
    return kInvalidValue;
  }
  const std::uint64_t threads = std::uint64_t{given.block_x} * given.block_y * given.block_z;
  const ptx::Kernel& kernel = function.kernel();
  if (threads > limit(kAttributeMaxThreadsPerBlock)) return kInvalidValue;
  if (kernel.max_threads != 0 && threads > kernel.max_threads) return kInvalidValue;
  const std::uint32_t* const required = kernel.required;
  if (required[0] != 0 && (given.block_x != required[0] || given.block_y != required[1] ||
                           given.block_z != required[2])) {
    return kInvalidValue;
  }
  if (threads > MaxThreadsOf(function)) return kLaunchOutOfResources;
  if (given.shared_bytes > MaxDynamicSharedOf(function)) return kInvalidValue;
  return kSuccess;
}

Result CheckTraits(const FunctionObject& function, const KernelNodeParams& given,
                   const LaunchTraits& traits) {
  const std::uint64_t blocks = std::uint64_t{given.grid_x} * given.grid_y * given.grid_z;
  const std::uint64_t threads = std::uint64_t{given.block_x} * given.block_y * given.block_z;
  const DeviceObject& device = DeviceOf(function);
  if (traits.cooperative) {
    const std::uint64_t at_once = ActiveBlocks(function, threads, given.shared_bytes);
    if (blocks > at_once * device.multiprocessors) return kCooperativeLaunchTooLarge;
  }
  const unsigned* const cluster = traits.cluster;
  const std::uint64_t size = std::uint64_t{cluster[0]} * cluster[1] * cluster[2];
  if (size == 1) return kSuccess;
  const std::uint64_t most =
      function.settings.cluster_non_portable != 0 ? 2 * kMaxCluster : kMaxCluster;
  if (device.gpu.compute_major < 9 || size > most) return kInvalidClusterSize;
  const bool divides = given.grid_x % cluster[0] == 0 && given.grid_y % cluster[1] == 0 &&
                       given.grid_z % cluster[2] == 0;
  return divides ? kSuccess : kInvalidValue;
}

std::shared_ptr<const NodeParameters> NodeOf(const KernelNodeParams& given, const Job& job) {
  const auto node = std::make_shared<NodeParameters>();
  const ptx::Kernel& kernel = job.image->kernels[job.kernel];
  node->type = kNodeKernel;
  node->kernel = given;
  node->kernel.extra = nullptr;
  node->argument_bytes.assign(job.arguments.begin(), job.arguments.end());
  for (const ptx::Param& param : kernel.params) {
    node->argument_pointers.push_back(node->argument_bytes.data() + param.offset);
  }
  node->kernel.parameters =
      node->argument_pointers.empty() ? nullptr : node->argument_pointers.data();
  return node;
}

}  // namespace

Result TraitsOf(const LaunchConfig& config, LaunchTraits* traits) {
  if (config.attribute_count != 0 && config.attributes == nullptr) return kInvalidValue;
  for (unsigned i = 0; i < config.attribute_count; ++i) {
    const LaunchAttribute& attribute = config.attributes[i];
    const LaunchAttributeValue& value = attribute.value;
    switch (attribute.id) {
      case kLaunchCooperative:
        traits->cooperative = value.cooperative != 0;
        break;
      case kLaunchClusterDimension:
        if (value.cluster.x == 0 || value.cluster.y == 0 || value.cluster.z == 0) {
          return kInvalidValue;
        }
        traits->cluster[0] = value.cluster.x;
        traits->cluster[1] = value.cluster.y;
        traits->cluster[2] = value.cluster.z;
        break;
      case kLaunchIgnore:
      case kLaunchAccessPolicyWindow:
      case kLaunchSynchronizationPolicy:
      case kLaunchClusterSchedulingPolicy:
      case kLaunchProgrammaticSerialization:
      case kLaunchProgrammaticEvent:
      case kLaunchPriority:
      case kLaunchMemSyncDomainMap:
      case kLaunchMemSyncDomain:
      case kLaunchCompletionEvent:
      case kLaunchDeviceUpdatableNode:
        break;  // they say how, not what
      default:
        if (attribute.id < 0 || attribute.id > 32) return kInvalidValue;
    }
  }
  return kSuccess;
}

Result MakeKernelOperation(ContextObject& context, const KernelNodeParams& parameters,
                           const LaunchTraits& traits, Operation* operation) {
  // A node has a function or a kernel.
  const Function handle = parameters.function != nullptr
                              ? parameters.function
                              : reinterpret_cast<Function>(parameters.kernel);
  FunctionObject* function = nullptr;
  const Result found = FindFunction(handle, context, &function);
  if (found != kSuccess) return found;
  if (function->module->context != &context) return kInvalidHandle;
  Result result = CheckShape(*function, parameters);
  if (result == kSuccess) result = CheckTraits(*function, parameters, traits);
  if (result != kSuccess) return result;
  const auto job = std::make_shared<Job>();
  job->image = function->module->image;
  job->kernel = function->index;
  job->addresses = function->module->addresses;
  job->dynamic_shared = parameters.shared_bytes;
  const std::uint32_t grid[3] = {parameters.grid_x, parameters.grid_y, parameters.grid_z};
  const std::uint32_t block[3] = {parameters.block_x, parameters.block_y, parameters.block_z};
  std::copy(std::begin(grid), std::end(grid), job->grid);
  std::copy(std::begin(block), std::end(block), job->block);
  const ptx::Kernel& kernel = function->kernel();
  result = CopyArguments(kernel, parameters, &job->arguments);
  if (result != kSuccess) return result;
  const std::uint64_t blocks = std::uint64_t{grid[0]} * grid[1] * grid[2];
  const auto stated = ptx::StatedCostNs(kernel, job->arguments);
  job->cost_ns = stated ? *stated
                        : static_cast<std::uint64_t>(
                              engine::KernelTime(blocks, DeviceOf(*function).multiprocessors));
  *operation = {.work = link::Work::kKernel,
                .amount = job->cost_ns,
                .name = Process::Get().NameId(kernel.name),
                .launch = true,
                .effect = [job] { return Run(*job); },
                .node = NodeOf(parameters, *job)};
  return kSuccess;
}

Result MakeKernelOperation(ContextObject& context, const KernelNodeParams& parameters,
                           Operation* operation) {
  return MakeKernelOperation(context, parameters, {}, operation);
}

Result LaunchKernel(StreamObject& stream, const KernelNodeParams& parameters,
                    const LaunchTraits& traits) {
  Operation operation;
  const Result made = MakeKernelOperation(*stream.context, parameters, traits, &operation);
  return made == kSuccess ? Enqueue(stream, operation) : made;
}

}  // namespace tranche::sim::cuda
