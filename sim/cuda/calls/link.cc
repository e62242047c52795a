// Links: in this simulation, one piece of code goes in and the same comes out.
#include <cstring>

#include "sim/cuda/code/jit.h"
#include "sim/cuda/declarations.h"
#include "sim/cuda/library.h"
#include "sim/cuda/lookup.h"

namespace tranche::sim::cuda {
namespace {

struct LinkObject {
  DeviceObject* device = nullptr;
  Jit jit;  // the program keeps its options alive until the link is destroyed
  std::vector<std::uint8_t> code;
  bool complete = false;
};

Table<LinkState, LinkObject>& Links() {
  static auto* const links = new Table<LinkState, LinkObject>();
  return *links;
}

// The real library looks at the state before anything else.
template <typename Body>
Result LinkCall(const char* name, LinkState state, Body body) {
  if (state == nullptr) return kInvalidHandle;
  return Call(name, [&](Process& /*process*/) -> Result {
    LinkObject* const link = Links().Find(state);
    return link == nullptr ? kInvalidHandle : static_cast<Result>(body(*link));
  });
}

Result AddCode(LinkObject& link, JitInput type, const std::vector<std::uint8_t>& code,
               const Jit& jit) {
  if (link.complete) return kInvalidValue;
  if (type == kJitInputNvvm || type < kJitInputCubin || type > kJitInputNvvm) return kInvalidValue;
  if (!link.code.empty() || type == kJitInputObject || type == kJitInputLibrary) {
    Process::Get().TellMissing("cuLinkAddData: more than one piece of code, or an object");
    return kNotSupported;
  }
  std::shared_ptr<const ptx::Image> image;
  const Jit& log = jit.count != 0 ? jit : link.jit;
  const Result read = ReadImageFor(
      *link.device, std::make_shared<const std::vector<std::uint8_t>>(code), log, &image);
  if (read == kSuccess) link.code = code;
  return read;
}

Result Create(const char* name, const Jit& jit, LinkState* state_out) {
  return ContextCall(name, [&](const ContextObject& context) -> Result {
    if (state_out == nullptr) return kInvalidValue;
    const Result options = jit.Check();
    if (options != kSuccess) return options;
    const auto link = std::make_shared<LinkObject>();
    link->device = context.device;
    link->jit = jit;
    *state_out = Links().Add(link);
    return kSuccess;
  });
}

Result AddData(const char* name, LinkState state, JitInput type, const void* data, std::size_t size,
               const Jit& jit) {
  return LinkCall(name, state, [&](LinkObject& link) {
    if (data == nullptr || size == 0 || jit.Check() != kSuccess) return kInvalidValue;
    const auto* begin = static_cast<const std::uint8_t*>(data);
    return AddCode(link, type, {begin, begin + size}, jit);
  });
}

Result AddFile(const char* name, LinkState state, JitInput type, const char* path, const Jit& jit) {
  return LinkCall(name, state, [&](LinkObject& link) -> Result {
    if (path == nullptr || jit.Check() != kSuccess) return kInvalidValue;
    Code code;
    const Result read = ReadCode(path, &code);
    return read == kSuccess ? AddCode(link, type, *code, jit) : read;
  });
}

}  // namespace

// NOLINTBEGIN(readability-identifier-naming): the names are NVIDIA's.
extern "C" {

Result cuLinkCreate(unsigned num_options, JitOption* options, void** option_values,
                    LinkState* state_out) {
  return Create("cuLinkCreate", {num_options, options, option_values}, state_out);
}
Result cuLinkCreate_v2(unsigned num_options, JitOption* options, void** option_values,
                       LinkState* state_out) {
  return Create("cuLinkCreate_v2", {num_options, options, option_values}, state_out);
}

Result cuLinkAddData(LinkState state, JitInput type, void* data, std::size_t size,
                     const char* /*name*/, unsigned num_options, JitOption* options,
                     void** option_values) {
  return AddData("cuLinkAddData", state, type, data, size, {num_options, options, option_values});
}
Result cuLinkAddData_v2(LinkState state, JitInput type, void* data, std::size_t size,
                        const char* /*name*/, unsigned num_options, JitOption* options,
                        void** option_values) {
  return AddData("cuLinkAddData_v2", state, type, data, size,
                 {num_options, options, option_values});
}

Result cuLinkAddFile(LinkState state, JitInput type, const char* path, unsigned num_options,
                     JitOption* options, void** option_values) {
  return AddFile("cuLinkAddFile", state, type, path, {num_options, options, option_values});
}
Result cuLinkAddFile_v2(LinkState state, JitInput type, const char* path, unsigned num_options,
                        JitOption* options, void** option_values) {
  return AddFile("cuLinkAddFile_v2", state, type, path, {num_options, options, option_values});
}

Result cuLinkComplete(LinkState state, void** cubin_out, std::size_t* size_out) {
  return LinkCall("cuLinkComplete", state, [&](LinkObject& link) {
    if (cubin_out == nullptr || link.code.empty()) return kInvalidValue;
    if (!link.complete) link.code.push_back(0);  // the end of a text
    link.complete = true;
    *cubin_out = link.code.data();
    if (size_out != nullptr) *size_out = link.code.size() - 1;
    return kSuccess;
  });
}

Result cuLinkDestroy(LinkState state) {
  return LinkCall("cuLinkDestroy", state, [&](const LinkObject& /*link*/) {
    Links().Remove(state);
    return kSuccess;
  });
}

}  // extern "C"
// NOLINTEND(readability-identifier-naming)

}  // namespace tranche::sim::cuda
