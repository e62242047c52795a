#include "sim/cuda/code/jit.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "sim/cuda/library.h"
#include "sim/cuda/lookup.h"
#include "sim/ptx/read.h"

namespace tranche::sim::cuda {
namespace {

constexpr std::uint64_t kMaxCode = 1ULL << 30U;

// What nvcc puts around a fat binary in a program: a mark, a version and its address.
constexpr std::uint32_t kWrapperMagic = 0x466243B1;
struct Wrapper {
  std::uint32_t magic;
  std::uint32_t version;
  const void* image;
};

Result ResultOf(ptx::ReadResult result) {
  switch (result) {
    case ptx::ReadResult::kOk:
      return kSuccess;
    case ptx::ReadResult::kInvalid:
      return kInvalidImage;
    case ptx::ReadResult::kInvalidPtx:
      return kInvalidPtx;
    case ptx::ReadResult::kNewPtx:
      return kUnsupportedPtxVersion;
    case ptx::ReadResult::kNoneForThisGpu:
      return kNoBinaryForGpu;
    case ptx::ReadResult::kPacked:
      return kNotSupported;
  }
  return kInvalidImage;
}

std::size_t IndexOf(const Jit& jit, JitOption option) {
  std::size_t index = 0;
  while (index < jit.count && jit.options[index] != option) ++index;
  return index;
}

void PutText(const Jit& jit, JitOption buffer, JitOption size, const std::string& text) {
  const std::size_t at = IndexOf(jit, buffer);
  const std::size_t size_at = IndexOf(jit, size);
  if (at == jit.count || size_at == jit.count || jit.values[at] == nullptr) return;
  const auto room = reinterpret_cast<std::uintptr_t>(jit.values[size_at]) & 0xFFFFFFFF;
  if (room == 0) return;
  const std::size_t length = std::min<std::size_t>(text.size(), room - 1);
  std::memcpy(jit.values[at], text.data(), length);
  static_cast<char*>(jit.values[at])[length] = '\0';
  // NOLINTNEXTLINE(performance-no-int-to-ptr): CUDA passes numbers in the place of pointers
  jit.values[size_at] = reinterpret_cast<void*>(std::uintptr_t{length});
}

}  // namespace

Result Jit::Check() const {
  return count != 0 && (options == nullptr || values == nullptr) ? kInvalidValue : kSuccess;
}

void Jit::Log(const std::string& errors) const {
  PutText(*this, kJitErrorLogBuffer, kJitErrorLogBufferSizeBytes, errors);
  PutText(*this, kJitInfoLogBuffer, kJitInfoLogBufferSizeBytes, {});
}

Code CopyCode(const void* image) {
  Wrapper wrapper{};
  std::memcpy(&wrapper.magic, image, sizeof(wrapper.magic));
  if (wrapper.magic == kWrapperMagic) {
    std::memcpy(&wrapper, image, sizeof(wrapper));
    if (wrapper.image == nullptr) return nullptr;
    image = wrapper.image;
  }
  const std::uint64_t size = ptx::ImageSize(image, kMaxCode);
  if (size == 0) return nullptr;
  const auto* begin = static_cast<const std::uint8_t*>(image);
  return std::make_shared<const std::vector<std::uint8_t>>(begin, begin + size);
}

Result ReadCode(const char* path, Code* code) {
  std::FILE* const file = std::fopen(path, "rbe");
  if (file == nullptr) return kFileNotFound;
  std::vector<std::uint8_t> bytes;
  std::uint8_t piece[65536];
  for (std::size_t got = 0; (got = std::fread(piece, 1, sizeof(piece), file)) > 0;) {
    if (bytes.size() + got > kMaxCode) break;
    bytes.insert(bytes.end(), piece, piece + got);
  }
  const bool failed = std::ferror(file) != 0;
  std::fclose(file);
  if (failed) return kFileNotFound;
  *code = std::make_shared<const std::vector<std::uint8_t>>(std::move(bytes));
  return kSuccess;
}

Result ReadImageFor(const DeviceObject& device, const Code& code, const Jit& jit,
                    std::shared_ptr<const ptx::Image>* image) {
  if (code == nullptr) return kInvalidImage;
  const ptx::Gpu gpu{.architecture = device.gpu.compute_major * 10 + device.gpu.compute_minor,
                     .newest_ptx = ptx::NewestPtx(Process::Get().DriverVersion())};
  ptx::ReadImageAnswer answer = ptx::ReadImage(code->data(), code->size(), gpu);
  jit.Log(answer.text);  // none where it is well
  if (answer.result == ptx::ReadResult::kPacked) Process::Get().TellMissing(answer.text.c_str());
  if (answer.result == ptx::ReadResult::kOk) {
    *image = std::make_shared<const ptx::Image>(std::move(answer.image));
  }
  return ResultOf(answer.result);
}

}  // namespace tranche::sim::cuda
