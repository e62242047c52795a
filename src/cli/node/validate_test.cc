#include "cli/node/validate.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <sstream>

#include "base/file.h"
#include "base/json.h"
#include "base/testing/places.h"
#include "base/testing/temp_dir.h"

namespace tranche::cli::node {
namespace {

base::Result<gpu::Inventory> TwoGpus(const std::string& /*node*/) {
  gpu::Inventory out;
  for (const unsigned index : {0U, 1U}) {
    gpu::Gpu one;
    one.uuid = "GPU-b1028956-cfa2-0990-bf4a-5da9abb5176" + std::to_string(index);
    one.index = index;
    one.minor = index;
    one.name = "NVIDIA A100-SXM4-80GB";
    one.device_paths = {"/dev/nvidia" + std::to_string(index)};
    out.gpus.push_back(one);
  }
  return out;
}

base::Result<gpu::Inventory> NoDriver(const std::string& /*node*/) {
  return base::Status(base::Code::kNotFound, "no driver library");
}

std::string Seed(const std::string& name) {
  return std::string(base::testing::kSourceDir) + "/tests/seed/" + name;
}

struct Outcome {
  int exit_code = 0;
  std::string text;
  std::string errors;
};

Outcome Validate(ValidateOptions options, const std::string& input = "",
                 const InventoryReader& reader = TwoGpus) {
  if (options.files.empty()) options.files = {"-"};
  std::istringstream in(input);
  std::ostringstream out;
  std::ostringstream errors;
  Outcome result;
  result.exit_code = RunValidate(options, reader, in, out, errors);
  result.text = out.str();
  result.errors = errors.str();
  return result;
}

bool Says(const Outcome& outcome, const std::string& text) {
  return outcome.text.find(text) != std::string::npos;
}

TEST(ValidateTest, SaysWhatTheSeedsConfigMapAdvertises) {
  const Outcome outcome = Validate({.files = {Seed("01-configmap.yaml")}});
  EXPECT_EQ(outcome.exit_code, kValidateWell) << outcome.text;
  EXPECT_TRUE(Says(outcome, "profile 'default': valid")) << outcome.text;
  EXPECT_TRUE(Says(outcome, "nvidia.com/gpu: 8 (2 devices × 4)")) << outcome.text;
  EXPECT_TRUE(Says(outcome, "nvidia.com/gpu: 16 (2 devices × 8)")) << outcome.text;
  EXPECT_TRUE(Says(outcome, "NVIDIA_VISIBLE_DEVICES=all")) << outcome.text;
}

TEST(ValidateTest, TheSeedsNoSharingFragmentIsNotShared) {
  const Outcome outcome = Validate({.files = {Seed("02-no-sharing.yaml")}});
  EXPECT_EQ(outcome.exit_code, kValidateWell) << outcome.text;
  EXPECT_TRUE(Says(outcome, "nvidia.com/gpu: 2 (2 devices, not shared)")) << outcome.text;
}

TEST(ValidateTest, TheSeedsOtherBlocksAreNoSharingConfigs) {
  for (const char* name : {"03-container-env.yaml", "04-scheduler.yaml"}) {
    const Outcome outcome = Validate({.files = {Seed(name)}});
    EXPECT_EQ(outcome.exit_code, kValidateNoConfig) << outcome.text;
    EXPECT_TRUE(Says(outcome, "not a sharing config: found ")) << outcome.text;
  }
}

TEST(ValidateTest, AnUnknownKeyIsAnErrorUnlessLenient) {
  const std::string text = "data:\n  a: |\n    version: v1\n    flags:\n      migStrateggy: none\n";
  const Outcome strict = Validate({}, text);
  EXPECT_EQ(strict.exit_code, kValidateInvalid);
  EXPECT_TRUE(Says(strict,
                   "<stdin>:5:7: error: unknown key 'migStrateggy' in flags; did you mean "
                   "'migStrategy'?"))
      << strict.text;
  const Outcome lenient = Validate({.lenient = true}, text);
  EXPECT_EQ(lenient.exit_code, kValidateWell);
  EXPECT_TRUE(Says(lenient, "<stdin>:5:7: warning: unknown key")) << lenient.text;
}

TEST(ValidateTest, OneBadProfileMakesTheWholeInvalid) {
  const Outcome outcome = Validate(
      {}, "data:\n  good: |\n    version: v1\n  bad: |\n    sharing:\n      timeSlicing: {}\n");
  EXPECT_EQ(outcome.exit_code, kValidateInvalid);
  EXPECT_TRUE(Says(outcome, "profile 'good': valid")) << outcome.text;
  EXPECT_TRUE(Says(outcome, "<stdin>:6:7: error: resources is missing in sharing.timeSlicing"))
      << outcome.text;
}

std::string Sharing(const std::string& name) {
  return "sharing:\n  timeSlicing:\n    resources:\n    - {name: " + name + ", replicas: 4}\n";
}

TEST(ValidateTest, ANameThatMatchesNoNvidiaResourceIsAnErrorOnAnyNode) {
  for (const InventoryReader& reader : {InventoryReader(TwoGpus), InventoryReader(NoDriver)}) {
    const Outcome outcome = Validate({}, Sharing("nvidia.com/gpus"), reader);
    EXPECT_EQ(outcome.exit_code, kValidateInvalid);
    EXPECT_TRUE(Says(outcome,
                     "<stdin>:4:14: error: nvidia.com/gpus matches no NVIDIA resource; "
                     "write nvidia.com/gpu"))
        << outcome.text;
    EXPECT_FALSE(Says(outcome, "on this node")) << outcome.text;
  }
}

TEST(ValidateTest, ANameThatMatchesNothingOnThisNodeIsWarnedOf) {
  const Outcome outcome = Validate({}, Sharing("nvidia.com/mig-1g.10gb"));
  EXPECT_EQ(outcome.exit_code, kValidateWell);
  EXPECT_TRUE(Says(outcome,
                   "<stdin>:4: warning: resource 'nvidia.com/mig-1g.10gb' matches nothing "
                   "on this node"))
      << outcome.text;
}

TEST(ValidateTest, TheOffendingLineIsShownWhereAskedFor) {
  const Outcome outcome = Validate({.carets = true}, Sharing("nvidia.com/gpus"));
  EXPECT_TRUE(Says(outcome,
                   "\n        - {name: nvidia.com/gpus, replicas: 4}\n"
                   "                 ^\n"))
      << outcome.text;
  EXPECT_FALSE(Says(Validate({}, Sharing("nvidia.com/gpus")), "^"));
}

TEST(ValidateTest, WhatIsBesideTheConfigsIsPassedOverByName) {
  const Outcome outcome =
      Validate({},
               "kind: ConfigMap\nmetadata: {name: mig}\ndata:\n  c: |\n    version: v1\n"
               "    mig-configs: {}\n---\nkind: ConfigMap\ndata: {a: 'version: v1'}\n");
  EXPECT_EQ(outcome.exit_code, kValidateWell);
  EXPECT_TRUE(Says(outcome,
                   "<stdin>:1: passed over: ConfigMap mig, a config of mig-parted (the MIG "
                   "manager)"))
      << outcome.text;
}

TEST(ValidateTest, AProfileThatAnotherObjectNamesMustBeThere) {
  const std::string policy =
      "kind: ClusterPolicy\nmetadata: {name: cp}\nspec: {devicePlugin: {config: {name: cm, "
      "default: DEV}}}\n";
  const Outcome alone = Validate({}, policy);
  EXPECT_TRUE(
      Says(alone, "<stdin>:3: note: ClusterPolicy cp names ConfigMap cm, which is not among"))
      << alone.text;
  const Outcome both = Validate(
      {}, policy + "---\nkind: ConfigMap\nmetadata: {name: cm}\ndata: {dev: 'version: v1'}\n");
  EXPECT_EQ(both.exit_code, kValidateInvalid);
  EXPECT_TRUE(Says(both, "ConfigMap cm has no profile 'DEV'; did you mean 'dev'?")) << both.text;
}

TEST(ValidateTest, AFolderIsReadWhereAskedFor) {
  const base::testing::TempDir folder;
  std::filesystem::create_directories(folder.path() + "/a/.git");
  ASSERT_TRUE(base::WriteFileAtomic(folder.path() + "/a/one.yaml", Sharing("gpu")).ok());
  ASSERT_TRUE(base::WriteFileAtomic(folder.path() + "/a/pod.yml", "kind: Pod\n").ok());
  ASSERT_TRUE(
      base::WriteFileAtomic(folder.path() + "/a/.git/two.yaml", "version: v1\nsharring: 1\n").ok());
  ASSERT_TRUE(base::WriteFileAtomic(folder.path() + "/notes.txt", "sharring: 1\n").ok());
  const Outcome named = Validate({.files = {folder.path()}});
  EXPECT_EQ(named.exit_code, kValidateNoConfig);
  EXPECT_TRUE(Says(named, "a folder; -r reads what is in it")) << named.text;
  const Outcome outcome = Validate({.files = {folder.path()}, .recursive = true});
  EXPECT_EQ(outcome.exit_code, kValidateWell) << outcome.text;
  EXPECT_TRUE(Says(outcome, "a/one.yaml: valid")) << outcome.text;
  EXPECT_FALSE(Says(outcome, "pod.yml")) << outcome.text;
  EXPECT_EQ(Validate({.files = {folder.path() + "/a/.git"}, .recursive = true}).exit_code,
            kValidateInvalid);
}

TEST(ValidateTest, FixPrintsTheMendedFileAndNothingElse) {
  const std::string broken = "kind: ConfigMap\ndata:\n  a:\n    version: v1\n";
  const Outcome mended = Validate({.fix = true}, broken);
  EXPECT_EQ(mended.exit_code, kValidateWell);
  EXPECT_EQ(mended.text, "kind: ConfigMap\ndata:\n  a: |\n    version: v1\n");
  const Outcome well = Validate({.fix = true}, mended.text);
  EXPECT_EQ(well.exit_code, kValidateNoConfig);
  EXPECT_EQ(well.text, "");
  EXPECT_NE(well.errors.find("nothing that can be mended"), std::string::npos);
}

TEST(ValidateTest, TooManyReplicasForTheKubeletAreAnError) {
  const Outcome outcome =
      Validate({}, "sharing: {timeSlicing: {resources: [{name: gpu, replicas: 100000}]}}\n");
  EXPECT_EQ(outcome.exit_code, kValidateInvalid) << outcome.text;
}

TEST(ValidateTest, WithoutADriverTheFilesAreStillChecked) {
  const Outcome outcome = Validate({.files = {Seed("01-configmap.yaml")}}, "", NoDriver);
  EXPECT_EQ(outcome.exit_code, kValidateWell);
  EXPECT_TRUE(Says(outcome, "no driver library")) << outcome.text;
  const Outcome named = Validate({.files = {Seed("01-configmap.yaml")}, .node = "x"}, "", NoDriver);
  EXPECT_EQ(named.exit_code, kValidateNoConfig);
  EXPECT_NE(named.errors.find("--node x: no driver library"), std::string::npos);
}

TEST(ValidateTest, AFileThatIsNotThereIsNoConfig) {
  EXPECT_EQ(Validate({.files = {"/nonexistent/x.yaml"}}).exit_code, kValidateNoConfig);
}

TEST(ValidateTest, JsonSaysTheSame) {
  const Outcome outcome = Validate({.files = {Seed("01-configmap.yaml")}, .json = true});
  const auto json = base::Json::Parse(outcome.text);
  ASSERT_TRUE(json.ok()) << outcome.text;
  EXPECT_EQ(json->Find("apiVersion")->as_string(), "tranche.dev/v1");
  EXPECT_TRUE(json->Find("valid")->as_bool());
  ASSERT_EQ(json->Find("profiles")->as_array().size(), 2U);
  const base::Json& profile = json->Find("profiles")->as_array()[0];
  EXPECT_EQ(profile.Find("profile")->as_string(), "default");
  const base::Json& resource = profile.Find("resources")->as_array()[0];
  EXPECT_EQ(resource.Find("count")->as_int(), 8);
  EXPECT_TRUE(resource.Find("shared")->as_bool());
}

}  // namespace
}  // namespace tranche::cli::node
