#include "sim/ptx/read.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "sim/ptx/cubin.h"
#include "sim/ptx/fatbin.h"
#include "sim/ptx/parser.h"

namespace tranche::sim::ptx {
namespace {

using Bytes = std::span<const std::uint8_t>;

constexpr std::uint64_t kElfHeader = 64;
constexpr std::uint64_t kFatHeader = 16;

// A cubin runs on GPUs of its major version from its minor version on, PTX on all later ones.
enum class Form { kPtx, kPtxOfOneArchitecture, kCubin };

bool Runs(Form form, int architecture, int gpu) {
  if (form == Form::kPtxOfOneArchitecture) return architecture == gpu;
  if (form == Form::kCubin) return architecture / 10 == gpu / 10 && architecture <= gpu;
  return architecture <= gpu;
}

ReadImageAnswer ReadText(std::string_view text, const Gpu& gpu) {
  Parsed parsed = ParsePtx(text);
  const int version = parsed.image.ptx_version;
  if (!parsed.error.empty()) {
    return {.result = ReadResult::kInvalidPtx,
            .text = "ptxas application ptx input, line " + std::to_string(parsed.line) +
                    "; error   : " + parsed.error +
                    "\nptxas fatal   : Ptx assembly aborted due to errors"};
  }
  if (version > gpu.newest_ptx) {
    const auto dotted = [](int number) {
      return std::to_string(number / 10) + "." + std::to_string(number % 10);
    };
    return {.result = ReadResult::kNewPtx,
            .text = "ptxas application ptx input; fatal   : Unsupported .version " +
                    dotted(version) + "; current version is '" + dotted(gpu.newest_ptx) + "'"};
  }
  const Form form = parsed.image.exact ? Form::kPtxOfOneArchitecture : Form::kPtx;
  if (!Runs(form, parsed.image.architecture, gpu.architecture)) {
    return {.result = ReadResult::kNoneForThisGpu,
            .text =
                "ptxas fatal   : SM version specified by .target is higher than default SM "
                "version assumed"};
  }
  return {.result = ReadResult::kOk, .image = std::move(parsed.image)};
}

ReadImageAnswer ReadElf(Bytes bytes, const Gpu& gpu) {
  ReadImageAnswer answer;
  if (!ReadCubin(bytes, &answer.image)) return {.text = "device kernel image is invalid"};
  if (!Runs(Form::kCubin, answer.image.architecture, gpu.architecture)) {
    return {.result = ReadResult::kNoneForThisGpu,
            .text = "no kernel image is available for execution on the device"};
  }
  answer.result = ReadResult::kOk;
  return answer;
}

ReadImageAnswer ReadEntry(const FatEntry& entry, const Gpu& gpu) {
  const std::vector<std::uint8_t> content = Unpack(entry);
  if (content.empty()) {
    const bool zstd = entry.packing == FatEntry::Packing::kZstd;
    return {.result = zstd ? ReadResult::kPacked : ReadResult::kInvalid,
            .text = zstd ? "the simulated driver does not read fat binaries compressed by zstd"
                         : "device kernel image is invalid"};
  }
  if (entry.kind == FatEntry::Kind::kCubin) return ReadElf(content, gpu);
  return ReadText({reinterpret_cast<const char*>(content.data()), content.size()}, gpu);
}

// PTX comes first, because it can be interpreted; then what is for the latest architecture.
ReadImageAnswer ReadContainer(Bytes bytes, const Gpu& gpu) {
  std::vector<FatEntry> entries;
  if (!ReadFatbin(bytes, &entries)) return {.text = "device kernel image is invalid"};
  std::erase_if(entries, [&](const FatEntry& entry) {
    const Form form = entry.kind == FatEntry::Kind::kCubin ? Form::kCubin : Form::kPtx;
    return entry.kind == FatEntry::Kind::kOther ||
           !Runs(form, entry.architecture, gpu.architecture);
  });
  std::stable_sort(entries.begin(), entries.end(), [](const FatEntry& a, const FatEntry& b) {
    if (a.kind != b.kind) return a.kind == FatEntry::Kind::kPtx;
    return a.architecture > b.architecture;
  });
  ReadImageAnswer answer{.result = ReadResult::kNoneForThisGpu,
                         .text = "no kernel image is available for execution on the device"};
  for (const FatEntry& entry : entries) {
    answer = ReadEntry(entry, gpu);
    if (answer.result == ReadResult::kOk) break;
  }
  return answer;
}

}  // namespace

int NewestPtx(int cuda_version) {
  const int major = cuda_version / 1000;
  const int minor = cuda_version % 1000 / 10;
  // From the release notes of the PTX ISA reference: its versions skip CUDA 12.6, and count on from
  // 9.0 with CUDA 13.0.
  if (major >= 13) return 90 + (major - 13) * 10 + std::min(minor, 9);
  if (major == 12) return 80 + (minor <= 5 ? minor : minor - 1);
  return 70 + std::min(minor, 8);
}

std::uint64_t ImageSize(const void* data, std::uint64_t limit) {
  const auto* bytes = static_cast<const std::uint8_t*>(data);
  if (limit < 4) return 0;
  // Only what begins as one of them has a whole header to read.
  if (IsElf({bytes, 4})) return std::min(ElfSize({bytes, std::min(limit, kElfHeader)}), limit);
  if (IsFatbin({bytes, 4}))
    return std::min(FatbinSize({bytes, std::min(limit, kFatHeader)}), limit);
  return strnlen(static_cast<const char*>(data), limit);
}

ReadImageAnswer ReadImage(const void* data, std::uint64_t size, const Gpu& gpu) {
  const Bytes bytes(static_cast<const std::uint8_t*>(data), size);
  if (IsElf(bytes)) return ReadElf(bytes, gpu);
  if (IsFatbin(bytes)) return ReadContainer(bytes, gpu);
  const std::string_view text(static_cast<const char*>(data), size);
  // What does not begin as PTX may is no text at all.
  if (text.find(".version") == std::string_view::npos) {
    return {.text = "device kernel image is invalid"};
  }
  return ReadText(text, gpu);
}

}  // namespace tranche::sim::ptx
