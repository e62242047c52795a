// Streams of a context: how they are made and how they end.
//
// Threading: under the process's lock.
// Errors: CUDA's result codes.
#pragma once

#include <memory>

#include "sim/cuda/objects.h"

namespace tranche::sim::cuda {

inline constexpr int kLeastPriority = 0;  // of a data-centre GPU
inline constexpr int kGreatestPriority = -5;

Result MakeStream(ContextObject& context, StreamKind kind, int priority,
                  std::shared_ptr<StreamObject>* stream);
// What was given to it is still done.
void EndStream(StreamObject& stream);
// The default stream that each thread has of its own, made where there is none yet.
Result PerThreadStream(ContextObject& context, std::shared_ptr<StreamObject>* stream);
// The stream that is the context's default one, as the driver made it with the context.
std::shared_ptr<StreamObject> LegacyStream(const std::shared_ptr<ContextObject>& context,
                                           std::uint32_t index);

}  // namespace tranche::sim::cuda
