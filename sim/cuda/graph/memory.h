// The memory of graphs: what allocation nodes take of a device.
//
// A node has an address from the moment it is added, and nothing lies behind it. When its graph is
// launched or uploaded in a stream, the device gives the memory; when it is freed (by a node of the
// graph, by cuMemFree or cuMemFreeAsync) it is kept for the graphs that are launched in the same
// stream after it. The device has it back when cuDeviceGraphMemTrim is called, for what nobody uses
// then, and with the context.
//
// Sources: "Graph Memory Nodes" in NVIDIA's CUDA C++ Programming Guide.
//
// Threading: under the process's lock, the end of a GraphAllocation included.
// Errors: CUDA's result codes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "sim/cuda/abi.h"
#include "sim/cuda/memory.h"
#include "sim/cuda/objects.h"

namespace tranche::sim::cuda {

// What the device has given for a node; or nothing.
struct GraphBlock {
  std::uint64_t reservation = 0;
  std::size_t bytes = 0;
  Context context = nullptr;
  // Where it was used last, and by which task. No stream: whoever comes may have it.
  std::weak_ptr<StreamObject> stream;
  std::uint64_t number = 0;
  bool any_stream = false;
};

// One allocation node's: held by its parameters, which all that may run the node share.
class GraphAllocation {
 public:
  GraphAllocation(const ContextObject& context, const Allocation& made);
  ~GraphAllocation();
  GraphAllocation(const GraphAllocation&) = delete;
  GraphAllocation& operator=(const GraphAllocation&) = delete;

  [[nodiscard]] bool in_use() const { return block_.reservation != 0; }
  [[nodiscard]] DevicePtr base() const { return base_; }

  // Gets memory, for work that will be submitted to `stream`.
  Result Take(StreamObject& stream);
  // Ends its use. `stream` null: everywhere.
  void Free(StreamObject* stream);
  // Its context has ended, and the driver has its memory back.
  void Forget(Context context);

 private:
  DeviceObject& device_;
  Context context_;
  DevicePtr base_;
  std::uint64_t id_;
  std::size_t bytes_;
  GraphBlock block_;
};

// Addresses for a node; nothing is taken of the device.
Result MakeGraphAllocation(ContextObject& context, std::size_t bytes,
                           std::shared_ptr<GraphAllocation>* made);
// The allocation at an address, or null.
GraphAllocation* FindGraphAllocation(DevicePtr base);

Result TrimGraphMemory(DeviceObject& device);
Result GetGraphMemory(DeviceObject& device, GraphMemAttribute attribute, void* value);
Result SetGraphMemory(DeviceObject& device, GraphMemAttribute attribute, const void* value);

}  // namespace tranche::sim::cuda
