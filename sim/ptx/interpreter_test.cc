#include "sim/ptx/interpreter.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "sim/ptx/code.h"
#include "sim/ptx/cost.h"
#include "sim/ptx/testing/device.h"

namespace tranche::sim::ptx {
namespace {

using testing::FakeDevice;
using testing::KernelOf;
using testing::Module;
using testing::MustParse;
using testing::Params;
using testing::Result;

// As nvcc writes it.
constexpr char kAdd[] = R"(
.visible .entry add(.param .u64 a, .param .u64 b, .param .u64 c, .param .u32 n)
{
  .reg .pred %p<2>; .reg .f32 %f<4>; .reg .b32 %r<6>; .reg .b64 %rd<11>;
  ld.param.u64 %rd1, [a];
  ld.param.u64 %rd2, [b];
  ld.param.u64 %rd3, [c];
  ld.param.u32 %r2, [n];
  mov.u32 %r3, %ctaid.x;
  mov.u32 %r4, %ntid.x;
  mov.u32 %r5, %tid.x;
  mad.lo.s32 %r1, %r3, %r4, %r5;
  setp.ge.s32 %p1, %r1, %r2;
  @%p1 bra $L__BB0_2;
  cvta.to.global.u64 %rd4, %rd1;
  mul.wide.s32 %rd5, %r1, 4;
  add.s64 %rd6, %rd4, %rd5;
  cvta.to.global.u64 %rd7, %rd2;
  add.s64 %rd8, %rd7, %rd5;
  ld.global.f32 %f1, [%rd8];
  ld.global.f32 %f2, [%rd6];
  add.f32 %f3, %f2, %f1;
  cvta.to.global.u64 %rd9, %rd3;
  add.s64 %rd10, %rd9, %rd5;
  st.global.f32 [%rd10], %f3;
$L__BB0_2:
  ret;
})";

std::vector<float> Numbers(std::size_t count) {
  std::vector<float> numbers(count);
  std::iota(numbers.begin(), numbers.end(), 1.0F);
  return numbers;
}

TEST(InterpreterTest, AddsVectors) {
  const Image image = MustParse(Module(kAdd));
  FakeDevice device;
  const std::uint64_t a = device.Put(Numbers(100));
  const std::uint64_t c = device.Allocate(400);
  const auto params = Params(a, a, c, 100U);
  const Ending ending = Interpret(
      image.kernels[0], {.grid = {4, 1, 1}, .block = {32, 1, 1}, .params = params}, device);
  EXPECT_EQ(ending.end, End::kDone);
  for (std::size_t i = 0; i < 100; ++i) {
    EXPECT_EQ(device.Get<float>(c)[i], 2.0F * static_cast<float>(i + 1));
  }
}

TEST(InterpreterTest, AnAddressThatIsNoMemoryEndsTheKernel) {
  const Image image = MustParse(Module(kAdd));
  FakeDevice device;
  const std::uint64_t a = device.Put(Numbers(10));
  const std::uint64_t c = device.Allocate(40);
  const auto past = Params(a, a, c, 11U);
  Ending ending = Interpret(image.kernels[0], {.block = {32, 1, 1}, .params = past}, device);
  EXPECT_EQ(ending.end, End::kIllegalAddress);
  EXPECT_EQ(ending.address, a + 40);
  EXPECT_EQ(device.Get<float>(c)[9], 20.0F) << "what was written before stays";
  const auto odd = Params(a + 2, a, c, 1U);
  ending = Interpret(image.kernels[0], {.params = odd}, device);
  EXPECT_EQ(ending.end, End::kMisaligned);
  const auto fits = Params(a, a, c, 10U);
  ending = Interpret(image.kernels[0], {.block = {32, 1, 1}, .params = fits}, device);
  EXPECT_EQ(ending.end, End::kDone);
}

// Each block adds up its threads' numbers in shared memory, by halves.
constexpr char kSum[] = R"(
.global .align 4 .u32 blocks = 0;
.visible .entry sum(.param .u64 in, .param .u64 out)
{
  .reg .pred %p<3>; .reg .b32 %r<12>; .reg .b64 %d<9>;
  .shared .align 4 .b8 part[256];
  ld.param.u64 %d0, [in];
  ld.param.u64 %d5, [out];
  mov.u32 %r0, %tid.x;
  mov.u32 %r1, %ntid.x;
  mov.u32 %r2, %ctaid.x;
  mad.lo.u32 %r3, %r2, %r1, %r0;
  mul.wide.u32 %d1, %r3, 4;
  add.u64 %d2, %d0, %d1;
  ld.global.u32 %r4, [%d2];
  mov.u32 %r5, part;
  shl.b32 %r6, %r0, 2;
  add.u32 %r7, %r5, %r6;
  st.shared.u32 [%r7], %r4;
  bar.sync 0;
  shr.u32 %r8, %r1, 1;
loop:
  setp.ge.u32 %p0, %r0, %r8;
  @%p0 bra next;
  add.u32 %r9, %r0, %r8;
  shl.b32 %r9, %r9, 2;
  add.u32 %r9, %r9, %r5;
  ld.shared.u32 %r10, [%r9];
  ld.shared.u32 %r11, [%r7];
  add.u32 %r11, %r11, %r10;
  st.shared.u32 [%r7], %r11;
next:
  bar.sync 0;
  shr.u32 %r8, %r8, 1;
  setp.ne.u32 %p1, %r8, 0;
  @%p1 bra loop;
  setp.eq.u32 %p2, %r0, 0;
  @!%p2 ret;
  ld.shared.u32 %r11, [part];
  red.global.add.u32 [%d5], %r11;
  mov.u64 %d6, blocks;
  atom.global.add.u32 %r11, [%d6], 1;
  ret;
})";

TEST(InterpreterTest, ThreadsWaitForEachOther) {
  const Image image = MustParse(Module(kSum));
  ASSERT_NE(image.kernels[0].code, nullptr) << image.kernels[0].obstacle;
  EXPECT_EQ(image.kernels[0].shared_bytes, 256U);
  FakeDevice device;
  std::vector<std::uint32_t> numbers(256);
  std::iota(numbers.begin(), numbers.end(), 0U);
  const std::uint64_t in = device.Put(numbers);
  const std::uint64_t out = device.Allocate(4);
  const std::uint64_t variables[] = {device.Allocate(4)};
  const auto params = Params(in, out);
  const Launch launch{
      .grid = {4, 1, 1}, .block = {64, 1, 1}, .params = params, .variables = variables};
  EXPECT_EQ(Interpret(image.kernels[0], launch, device).end, End::kDone);
  EXPECT_EQ(device.Get<std::uint32_t>(out)[0], 255U * 256 / 2);
  EXPECT_EQ(device.Get<std::uint32_t>(variables[0])[0], 4U);
}

TEST(InterpreterTest, AKernelThatDoesNotEndIsGivenUp) {
  const Image image = MustParse(KernelOf("again: st.global.u32 [%d0], 1; bra again;"));
  FakeDevice device;
  const auto params = Params(device.Allocate(4));
  const Ending ending = Interpret(image.kernels[0], {.params = params, .max_steps = 1000}, device);
  EXPECT_EQ(ending.end, End::kTooLong);
  EXPECT_LE(ending.steps, 1001U);
}

TEST(InterpreterTest, AGridIsBoundedHoweverLittleItDoes) {
  const Image image = MustParse(KernelOf("@%p1 st.global.u32 [%d0], 1;"));
  FakeDevice device;
  const auto params = Params(std::uint64_t{0});
  const Launch launch{.grid = {0x7FFFFFFF, 65535, 65535},
                      .block = {1024, 1, 1},
                      .params = params,
                      .max_steps = 500};
  EXPECT_EQ(Interpret(image.kernels[0], launch, device).end, End::kTooLong);
}

// Waits for a time, and then writes that time.
constexpr char kSpin[] = R"(
// tranche-cost: param 0 ns
.visible .entry spin(.param .u64 ns, .param .u64 out)
{
  .reg .pred %p<2>; .reg .b64 %d<6>;
  ld.param.u64 %d0, [ns];
  ld.param.u64 %d4, [out];
  mov.u64 %d1, %globaltimer;
again:
  mov.u64 %d2, %globaltimer;
  sub.u64 %d3, %d2, %d1;
  setp.lt.u64 %p0, %d3, %d0;
  @%p0 bra again;
  st.global.u64 [%d4], %d3;
  ret;
})";

TEST(InterpreterTest, AKernelThatWaitsForItsTimeIsDoneAtOnce) {
  const Image image = MustParse(Module(kSpin));
  FakeDevice device;
  const std::uint64_t out = device.Allocate(8);
  const auto params = Params(std::uint64_t{5'000'000}, out);
  const auto cost = StatedCostNs(image.kernels[0], params);
  ASSERT_EQ(cost, 5'000'000U);
  const Launch launch{.params = params, .begins_ns = 100, .ends_ns = 100 + *cost};
  const Ending ending = Interpret(image.kernels[0], launch, device);
  EXPECT_EQ(ending.end, End::kDone);
  EXPECT_LT(ending.steps, 20U);
  EXPECT_EQ(device.Get<std::uint64_t>(out)[0], 5'000'000U);
}

TEST(InterpreterTest, AKernelThatWritesNothingIsNotRun) {
  const Image image = MustParse(KernelOf("again: bra again;"));
  EXPECT_FALSE(image.kernels[0].has_effects);
  FakeDevice device;
  EXPECT_EQ(Interpret(image.kernels[0], {}, device).steps, 0U);
  EXPECT_TRUE(MustParse(KernelOf("trap;")).kernels[0].has_effects);
}

TEST(InterpreterTest, ComputesWholeNumbers) {
  EXPECT_EQ(Result("mov.u32 %r1, -7; div.s32 %r2, %r1, 2; cvt.s64.s32 %d1, %r2;"),
            static_cast<std::uint64_t>(-3));
  EXPECT_EQ(Result("mov.u32 %r1, -7; rem.s32 %r2, %r1, 2; cvt.s64.s32 %d1, %r2;"),
            static_cast<std::uint64_t>(-1));
  EXPECT_EQ(Result("mov.u32 %r1, 0x80000000; div.s32 %r2, %r1, -1; cvt.u64.u32 %d1, %r2;"),
            0x80000000U);
  EXPECT_EQ(Result("mov.u32 %r1, 5; div.u32 %r2, %r1, 0; cvt.u64.u32 %d1, %r2;"), 0xFFFFFFFFU);
  EXPECT_EQ(Result("mov.u32 %r1, -3; mul.wide.s32 %d1, %r1, 4;"), static_cast<std::uint64_t>(-12));
  EXPECT_EQ(Result("mov.u64 %d2, -1; mul.hi.u64 %d1, %d2, %d2;"), ~std::uint64_t{1});
  EXPECT_EQ(Result("mov.u64 %d2, -5; mul.hi.s64 %d1, %d2, 3;"), ~std::uint64_t{0});
  EXPECT_EQ(Result("mov.u32 %r1, 0xFFFFFFFF; add.u32 %r1, %r1, 2; cvt.u64.u32 %d1, %r1;"), 1U);
  EXPECT_EQ(Result("mov.u32 %r1, 0x7FFFFFFF; add.sat.s32 %r1, %r1, 2; cvt.u64.u32 %d1, %r1;"),
            0x7FFFFFFFU);
  EXPECT_EQ(Result("mov.u32 %r1, 1; shl.b32 %r1, %r1, 32; cvt.u64.u32 %d1, %r1;"), 0U);
  EXPECT_EQ(Result("mov.u32 %r1, -8; shr.s32 %r1, %r1, 40; cvt.s64.s32 %d1, %r1;"),
            ~std::uint64_t{0});
  EXPECT_EQ(Result("mov.u32 %r1, 0xF0; popc.b32 %r1, %r1; cvt.u64.u32 %d1, %r1;"), 4U);
  EXPECT_EQ(Result("mov.u32 %r1, 1; clz.b32 %r1, %r1; cvt.u64.u32 %d1, %r1;"), 31U);
  EXPECT_EQ(Result("mov.u32 %r1, 0xABCD; bfe.u32 %r1, %r1, 4, 8; cvt.u64.u32 %d1, %r1;"), 0xBCU);
  EXPECT_EQ(Result("mov.u32 %r1, 0xF0; bfe.s32 %r1, %r1, 4, 4; cvt.s64.s32 %d1, %r1;"),
            ~std::uint64_t{0});
  EXPECT_EQ(Result("mov.u64 %d1, 7; bfi.b64 %d1, %d1, 0, 60, 8;"), 7ULL << 60U);
}

TEST(InterpreterTest, ComparesAndChooses) {
  EXPECT_EQ(Result("mov.u32 %r1, -1; setp.lt.s32 %p1, %r1, 0; selp.u64 %d1, 1, 2, %p1;"), 1U);
  EXPECT_EQ(Result("mov.u32 %r1, -1; setp.lt.u32 %p1, %r1, 0; selp.u64 %d1, 1, 2, %p1;"), 2U);
  EXPECT_EQ(Result("mov.f32 %f1, 0f7FC00000; setp.ne.f32 %p1, %f1, %f1;"
                   "selp.u64 %d1, 1, 2, %p1;"),
            2U);
  EXPECT_EQ(Result("mov.f32 %f1, 0f7FC00000; setp.neu.f32 %p1, %f1, %f1;"
                   "selp.u64 %d1, 1, 2, %p1;"),
            1U);
  EXPECT_EQ(Result("setp.eq.u32 %p1|%p2, 1, 2; setp.eq.and.u32 %p3, 1, 1, !%p1;"
                   "and.pred %p4, %p2, %p3; not.pred %p5, %p4; or.pred %p4, %p4, %p5;"
                   "selp.u64 %d1, 1, 2, %p4;"),
            1U);
  EXPECT_EQ(Result("mov.u64 %d1, 1; setp.eq.u32 %p1, 1, 2; @!%p1 mov.u64 %d1, 3;"), 3U);
}

TEST(InterpreterTest, Converts) {
  EXPECT_EQ(Result("mov.f32 %f1, 0fC0200000; cvt.rzi.s32.f32 %r1, %f1; cvt.s64.s32 %d1, %r1;"),
            static_cast<std::uint64_t>(-2));
  EXPECT_EQ(Result("mov.f32 %f1, 0fC0200000; cvt.rmi.s32.f32 %r1, %f1; cvt.s64.s32 %d1, %r1;"),
            static_cast<std::uint64_t>(-3));
  EXPECT_EQ(Result("mov.f32 %f1, 0f40200000; cvt.rni.u64.f32 %d1, %f1;"), 2U);
  EXPECT_EQ(Result("mov.f64 %g1, 1e30; cvt.rzi.u64.f64 %d1, %g1;"), ~std::uint64_t{0});
  EXPECT_EQ(Result("mov.f32 %f1, 0f7FC00000; cvt.rzi.u32.f32 %r1, %f1; cvt.u64.u32 %d1, %r1;"), 0U);
  EXPECT_EQ(Result("mov.u32 %r1, 300; cvt.sat.u8.u32 %r1, %r1; cvt.u64.u32 %d1, %r1;"), 255U);
  EXPECT_EQ(Result("mov.u32 %r1, 0x180; cvt.s16.s8 %h1, %r1; cvt.s64.s16 %d1, %h1;"),
            static_cast<std::uint64_t>(-128));
  EXPECT_EQ(Result("mov.b64 %d1, {%r1, 5};"), 5ULL << 32U);
  EXPECT_EQ(Result("mov.u64 %d2, 0x500000006; mov.b64 {%r1, %r2}, %d2; cvt.u64.u32 %d1, %r2;"), 5U);
}

TEST(InterpreterTest, ComputesRealNumbers) {
  const auto f32 = [](std::string_view statements) {
    const auto bits = static_cast<std::uint32_t>(
        Result(std::string(statements) + " mov.b32 %r7, %f1; cvt.u64.u32 %d1, %r7;"));
    float value = 0;
    std::memcpy(&value, &bits, sizeof(value));
    return value;
  };
  EXPECT_EQ(f32("mov.f32 %f1, 0f3F800000; div.rn.f32 %f1, %f1, 3.0;"), 1.0F / 3.0F);
  EXPECT_EQ(f32("mov.f32 %f1, 2.0; sqrt.rn.f32 %f1, %f1;"), std::sqrt(2.0F));
  EXPECT_EQ(f32("mov.f32 %f1, 1.5; fma.rn.f32 %f1, %f1, %f1, 0.25;"), 2.5F);
  EXPECT_EQ(f32("mov.f32 %f1, 0f7FC00000; max.f32 %f1, %f1, 2.0;"), 2.0F);
  EXPECT_EQ(f32("mov.f32 %f1, -2.5; add.sat.f32 %f1, %f1, 1.0;"), 0.0F);
  EXPECT_EQ(f32("mov.f32 %f1, 0f00000001; add.ftz.f32 %f1, %f1, 0.0;"), 0.0F);
  EXPECT_EQ(f32("mov.f32 %f1, 0f00000001; add.f32 %f1, %f1, 0.0;"),
            std::numeric_limits<float>::denorm_min());
  EXPECT_EQ(f32("mov.f32 %f1, -1.0; abs.f32 %f1, %f1; neg.f32 %f1, %f1;"), -1.0F);
}

TEST(InterpreterTest, VectorsAndLocalMemory) {
  EXPECT_EQ(Result(".local .align 16 .b8 l[16]; mov.u64 %d2, l; mov.u32 %r1, 1; mov.u32 %r2, 2;"
                   "st.local.v2.u32 [%d2+8], {%r1, %r2}; cvta.local.u64 %d3, %d2;"
                   "ld.u64 %d1, [%d3+8];"),
            0x200000001U);
  EXPECT_EQ(Result("st.global.u64 [%d0], %d0; mov.u64 %d1, %d0; ld.global.v2.u32 {%r1, %r2}, [%d1];"
                   "mov.b64 %d1, {%r1, %r2}; sub.u64 %d1, %d1, %d0;"),
            0U);
}

}  // namespace
}  // namespace tranche::sim::ptx
