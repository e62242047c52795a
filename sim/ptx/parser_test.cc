#include "sim/ptx/parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim/ptx/testing/device.h"

namespace tranche::sim::ptx {
namespace {

using ::testing::HasSubstr;
using testing::KernelOf;
using testing::Module;
using testing::MustParse;

TEST(ParserTest, ReadsWhatAModuleIsFor) {
  const Image image = MustParse(Module(""));
  EXPECT_EQ(image.ptx_version, 84);
  EXPECT_EQ(image.architecture, 80);
  EXPECT_FALSE(image.exact);
  EXPECT_TRUE(MustParse(".version 8.0\n.target sm_90a\n.address_size 64\n").exact);
}

TEST(ParserTest, PlacesParametersAsKernelsTakeThem) {
  const Image image = MustParse(
      Module(".entry k(.param .u8 a, .param .u32 b, .param .u64 .ptr .global .align 4 c,\n"
             ".param .align 16 .b8 d[20]) { ret; }"));
  ASSERT_EQ(image.kernels.size(), 1U);
  const Kernel& kernel = image.kernels[0];
  ASSERT_EQ(kernel.params.size(), 4U);
  EXPECT_EQ(kernel.params[1].offset, 4U);
  EXPECT_EQ(kernel.params[2].offset, 8U);
  EXPECT_EQ(kernel.params[3].offset, 16U);
  EXPECT_EQ(kernel.params[3].size, 20U);
  EXPECT_EQ(kernel.param_bytes, 36U);
}

TEST(ParserTest, ReadsVariablesWithTheirContent) {
  const Image image =
      MustParse(Module(".visible .global .align 4 .u32 a = 7;\n"
                       ".global .f32 b[2][2] = {{1.0, 0f40000000}};\n"
                       ".const .align 8 .u64 c = generic(a)+4;\n"
                       ".extern .global .b8 d[];\n"
                       ".global .attribute(.managed) .align 8 .b8 e[100];\n"));
  ASSERT_EQ(image.variables.size(), 5U);
  EXPECT_EQ(image.variables[0].initial, (std::vector<std::uint8_t>{7, 0, 0, 0}));
  EXPECT_EQ(image.variables[1].size, 16U);
  EXPECT_EQ(image.variables[1].initial,
            (std::vector<std::uint8_t>{0, 0, 0x80, 0x3F, 0, 0, 0, 0x40}));
  EXPECT_EQ(image.variables[2].space, VariableSpace::kConst);
  ASSERT_EQ(image.variables[2].pointers.size(), 1U);
  EXPECT_EQ(image.variables[2].pointers[0].to, "a");
  EXPECT_EQ(image.variables[2].pointers[0].plus, 4U);
  EXPECT_TRUE(image.variables[3].external);
  EXPECT_TRUE(image.variables[4].managed);
}

TEST(ParserTest, ReadsLimitsOfBlocks) {
  const Image image =
      MustParse(Module(".entry a() .maxntid 128, 2, 1 .minnctapersm 2 { ret; }\n"
                       ".entry b() .reqntid 32 { ret; }\n"));
  EXPECT_EQ(image.kernels[0].max_threads, 256U);
  EXPECT_EQ(image.kernels[1].required[0], 32U);
  EXPECT_EQ(image.kernels[1].required[1], 1U);
}

TEST(ParserTest, TheCostOfAKernelStandsDirectlyBeforeIt) {
  const Image image =
      MustParse(Module("// tranche-cost: param 1 ns\n"
                       ".visible .entry a(.param .u32 x, .param .u64 y) { ret; }\n"
                       "// tranche-cost: param 0 ns\n"
                       ".global .u32 v;\n"
                       ".visible .entry b(.param .u64 x) {\n// tranche-cost: param 0 ns\nret; }\n"
                       ".visible .entry c(.param .u64 x) { ret; }\n"
                       "// tranche-cost: param 1 ns\n"
                       ".visible .entry d(.param .u64 x) { ret; }\n"));
  ASSERT_EQ(image.kernels.size(), 4U);
  EXPECT_EQ(image.kernels[0].cost_param, 1U);
  EXPECT_FALSE(image.kernels[1].cost_param);
  EXPECT_FALSE(image.kernels[2].cost_param);
  EXPECT_FALSE(image.kernels[3].cost_param) << "there is no such parameter";
}

TEST(ParserTest, WhatIsNotInterpretedIsStillPtx) {
  for (const char* statement :
       {"shfl.sync.bfly.b32 %r1|%p1, %r2, %r3, 31, -1;", "call.uni (r), f, (a, b);",
        "tex.2d.v4.f32.s32 {%f1, %f2, %f3, %f4}, [t, {%r1, %r2}];", "add.rz.f32 %f1, %f2, %f3;",
        "cvt.rn.f16.f32 %h1, %f1;", "bar.sync 0, 64;", "mov.u32 %r1, %lanemask_lt;"}) {
    const Image image = MustParse(KernelOf(statement));
    ASSERT_EQ(image.kernels.size(), 1U) << statement;
    EXPECT_EQ(image.kernels[0].code, nullptr) << statement;
    EXPECT_THAT(image.kernels[0].obstacle, HasSubstr("it ")) << statement;
  }
}

TEST(ParserTest, PassesOverWhatCompilersAdd) {
  const Image image = MustParse(Module(
      ".func (.param .b32 r) f(.param .b64 a) .noreturn;\n"
      ".visible .func g() { .reg .b32 %r<2>; { mov.u32 %r1, 0; } ret; }\n"
      ".file 1 \"/tmp/a.cu\"\n"
      ".entry k() {\n.loc 1 5 3, function_name $L_1, inlined_at 1 2 3\n.pragma \"nounroll\";\n"
      "/* { */ ret; // }\n}\n"
      ".section .debug_str { .b8 1, 2 }\n"));
  ASSERT_EQ(image.kernels.size(), 1U);
  EXPECT_NE(image.kernels[0].code, nullptr);
}

TEST(ParserTest, MistakesAreToldWithTheirLine) {
  const struct {
    std::string text;
    const char* error;
    int line;
  } cases[] = {
      {"hello", "Parsing error near 'hello'", 1},
      {Module(".entry k() {\nmov.u32 %r1, 0;\n}"), "Unknown symbol '%r1'", 5},
      {Module(".entry k() {\nfrobnicate.u32 a, b;\n}"), "Not a name of any known instruction", 5},
      {Module(".entry k() { .reg .u32 a;\nbra L;\n}"), "Label 'L' is not defined", 6},
      {Module(".entry k() { ret"), "syntax error", 4},
      {Module(".section .debug_info"), "syntax error", 4},
      {Module(".section .debug_info {"), "syntax error", 4},
      {Module(".func f"), "syntax error", 4},
      {Module(".entry k() { ret; }\n.entry k() { ret; }"), "Duplicate definition", 5},
      {Module(".global .u32 a[9999999999999];"), "too large", 4},
      {Module(".entry k(.param .b8 a[40000]) { ret; }"), "parameter space", 4},
  };
  for (const auto& one : cases) {
    const Parsed parsed = ParsePtx(one.text);
    EXPECT_THAT(parsed.error, HasSubstr(one.error)) << one.text;
    EXPECT_EQ(parsed.line, one.line) << one.text;
  }
}

}  // namespace
}  // namespace tranche::sim::ptx
