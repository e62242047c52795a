#include "sim/ptx/read.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim/ptx/cubin.h"
#include "sim/ptx/fatbin.h"
#include "sim/ptx/testing/device.h"
#include "sim/ptx/testing/images.h"

namespace tranche::sim::ptx {
namespace {

using testing::Bytes;
using testing::BytesOf;
using testing::FatPart;
using testing::MakeCubin;
using testing::MakeFatbin;
using testing::Module;

ReadImageAnswer Read(const Bytes& bytes, const Gpu& gpu = {}) {
  return ReadImage(bytes.data(), ImageSize(bytes.data(), bytes.size()), gpu);
}

TEST(CubinTest, TellsWhatIsInIt) {
  for (const bool recent : {false, true}) {
    Image image;
    ASSERT_TRUE(ReadCubin(MakeCubin(80, recent), &image));
    EXPECT_EQ(image.architecture, 80);
    ASSERT_EQ(image.kernels.size(), 1U);
    const Kernel& kernel = image.kernels[0];
    EXPECT_EQ(kernel.name, "k");
    ASSERT_EQ(kernel.params.size(), 2U);
    EXPECT_EQ(kernel.params[1].offset, 8U);
    EXPECT_EQ(kernel.params[1].size, 4U);
    EXPECT_EQ(kernel.param_bytes, 12U);
    EXPECT_EQ(kernel.registers, 24U);
    EXPECT_EQ(kernel.shared_bytes, 512U);
    EXPECT_EQ(kernel.max_threads, 256U);
    EXPECT_EQ(kernel.code, nullptr);
    ASSERT_EQ(image.variables.size(), 2U);
    EXPECT_EQ(image.variables[0].initial, (Bytes{1, 2, 3, 4}));
    EXPECT_EQ(image.variables[1].space, VariableSpace::kConst);
  }
}

TEST(CubinTest, ItsSizeIsInItsHeaders) {
  const Bytes cubin = MakeCubin(80, false);
  EXPECT_EQ(ElfSize(cubin), cubin.size());
  EXPECT_EQ(ImageSize(cubin.data(), 1U << 20U), cubin.size());
}

TEST(CubinTest, APartOfOneIsNone) {
  const Bytes cubin = MakeCubin(80, false);
  Image image;
  for (std::size_t size = 0; size < cubin.size(); ++size) {
    EXPECT_FALSE(ReadCubin(std::span(cubin).first(size), &image)) << size;
  }
}

TEST(ReadTest, ChoosesByTheFormOfTheBytes) {
  EXPECT_EQ(Read(BytesOf(Module(".entry k() { ret; }"))).result, ReadResult::kOk);
  EXPECT_EQ(Read(MakeCubin(80, false)).image.form, Form::kCubin);
  EXPECT_EQ(Read(BytesOf("no code at all")).result, ReadResult::kInvalid);
  EXPECT_EQ(Read(BytesOf("\177ELF and no more")).result, ReadResult::kInvalid);
  EXPECT_EQ(Read(Bytes{}).result, ReadResult::kInvalid);
}

TEST(ReadTest, CodeIsForSomeGpus) {
  const auto cubin = [](int gpu) {
    return Read(MakeCubin(80, false), {.architecture = gpu}).result;
  };
  EXPECT_EQ(cubin(80), ReadResult::kOk);
  EXPECT_EQ(cubin(86), ReadResult::kOk);
  EXPECT_EQ(cubin(90), ReadResult::kNoneForThisGpu);
  EXPECT_EQ(cubin(75), ReadResult::kNoneForThisGpu);
  const auto text = [](int gpu) { return Read(BytesOf(Module("")), {.architecture = gpu}); };
  EXPECT_EQ(text(75).result, ReadResult::kNoneForThisGpu);
  EXPECT_THAT(text(75).text, ::testing::HasSubstr("higher than default"));
  EXPECT_EQ(text(90).result, ReadResult::kOk);
}

TEST(ReadTest, MistakesInPtxAreShownAsPtxasShowsThem) {
  const ReadImageAnswer answer = Read(BytesOf(Module(".entry k() {\nmov.u32 %r1, 0;\n}")));
  EXPECT_EQ(answer.result, ReadResult::kInvalidPtx);
  EXPECT_THAT(answer.text, ::testing::HasSubstr("line 5; error   : Unknown symbol '%r1'"));
}

TEST(ReadTest, ADriverKnowsPtxUpToItsOwnVersion) {
  EXPECT_EQ(NewestPtx(12020), 82);
  EXPECT_EQ(NewestPtx(12040), 84);
  EXPECT_EQ(NewestPtx(12050), 85);
  EXPECT_EQ(NewestPtx(12080), 87);
  EXPECT_EQ(NewestPtx(13000), 90);
  const auto of = [](int newest) {
    return Read(BytesOf(Module("")), {.newest_ptx = newest}).result;
  };
  EXPECT_EQ(of(83), ReadResult::kNewPtx);
  EXPECT_EQ(of(84), ReadResult::kOk);
}

TEST(FatbinTest, PtxIsChosenBeforeMachineCode) {
  const FatPart parts[] = {{.kind = 2, .architecture = 80, .content = MakeCubin(80, false)},
                           {.kind = 2, .architecture = 90, .content = MakeCubin(90, false)},
                           {.architecture = 80, .content = BytesOf(Module(".entry p() { ret; }"))}};
  const Bytes both = MakeFatbin(parts);
  EXPECT_EQ(ImageSize(both.data(), 1U << 20U), both.size());
  EXPECT_EQ(Read(both).image.kernels[0].name, "p");
  EXPECT_EQ(Read(both, {.architecture = 75}).result, ReadResult::kNoneForThisGpu);
  const Bytes cubins = MakeFatbin(std::span(parts).first(2));
  EXPECT_EQ(Read(cubins, {.architecture = 90}).image.architecture, 90);
}

TEST(FatbinTest, ReadsLz4AndRefusesZstd) {
  const std::string text = Module(".entry p() { ret; }");
  // 14 and more literals, 4 bytes of the beginning once more, and the rest.
  Bytes packed{0xF0, static_cast<std::uint8_t>(text.size() - 15)};
  packed.insert(packed.end(), text.begin(), text.end());
  packed.insert(packed.end(), {1, 0, 0x10, ' '});
  const FatPart parts[] = {{.content = packed, .flags = 0x2011, .unpacked = text.size() + 5}};
  ReadImageAnswer answer = Read(MakeFatbin(parts));
  EXPECT_EQ(answer.result, ReadResult::kInvalidPtx) << "the last byte four times more: }}}}";
  FatPart whole = parts[0];
  whole.content = Bytes{0xF0, static_cast<std::uint8_t>(text.size() - 15)};
  whole.content.insert(whole.content.end(), text.begin(), text.end());
  whole.unpacked = text.size();
  EXPECT_EQ(Read(MakeFatbin({&whole, 1})).result, ReadResult::kOk);
  whole.unpacked = text.size() - 1;
  EXPECT_EQ(Read(MakeFatbin({&whole, 1})).result, ReadResult::kInvalid);
  whole.flags = 0x8011;
  answer = Read(MakeFatbin({&whole, 1}));
  EXPECT_EQ(answer.result, ReadResult::kPacked);
  EXPECT_THAT(answer.text, ::testing::HasSubstr("zstd"));
}

TEST(FatbinTest, APartOfOneIsNone) {
  const FatPart part{.kind = 2, .content = MakeCubin(80, false)};
  const Bytes fatbin = MakeFatbin({&part, 1});
  for (std::size_t size = 4; size < fatbin.size(); ++size) {
    std::vector<FatEntry> entries;
    EXPECT_FALSE(ReadFatbin(std::span(fatbin).first(size), &entries)) << size;
  }
}

}  // namespace
}  // namespace tranche::sim::ptx
