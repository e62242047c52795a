// Values that are longer than a label may be: what matters stays, and different things stay
// different.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "labels/label_text.h"
#include "labels/labels.h"
#include "labels/publisher.h"
#include "labels/testing/made_labels.h"

namespace tranche::labels {
namespace {

using testing::A100;
using ::testing::Contains;
using testing::Cut;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::Make;
using testing::Node;
using ::testing::Not;
using testing::Shared;
using ::testing::StartsWith;

constexpr char kMaxQ[] = "NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition";
constexpr char kServer[] = "NVIDIA RTX PRO 6000 Blackwell Server Edition";
constexpr char kWorkstation[] = "NVIDIA RTX PRO 6000 Blackwell Workstation Edition";

gpu::Gpu Named(const std::string& name) {
  gpu::Gpu gpu = A100(0);
  gpu.name = name;
  return gpu;
}

gpu::Gpu CutInto(const std::string& name, const std::string& profile) {
  gpu::Gpu gpu = Named(name);
  Cut(gpu, profile, 1, 24192, 1);
  return gpu;
}

TEST(LongLabelsTest, TheMiddleOfTheModelGoesAndTheProfileAndSharedStay) {
  const std::string strategy = "flags: {migStrategy: single}\n";
  const auto product = [&](const std::string& name) {
    return Make(strategy + Shared(2), Node({CutInto(name, "1g.24gb")})).labels["gpu.product"];
  };
  EXPECT_THAT(product(kMaxQ), StartsWith("NVIDIA-RTX-PRO-6000-"));
  EXPECT_THAT(product(kMaxQ), EndsWith("-Edition-MIG-1g.24gb-SHARED"));
  // 63 characters to the last one, which are all written.
  EXPECT_EQ(product(kServer), "NVIDIA-RTX-PRO-6000-Blackwell-Server-Edition-MIG-1g.24gb-SHARED");
}

TEST(LongLabelsTest, NoValueIsTooLongAndNoTwoThingsShareOne) {
  std::map<std::string, std::string> meaning;  // of each value
  for (const std::string name : {kMaxQ, kServer, kWorkstation}) {
    for (const std::string profile : {"1g.24gb", "1g.24gb+me", "1g.24gb+me.all", "1g.24gb+gfx",
                                      "1g.24gb-me", "2g.48gb", "4g.96gb+gfx"}) {
      for (const int replicas : {1, 2}) {
        for (const std::string strategy : {"single", "mixed"}) {
          std::string resource = "nvidia.com/gpu";
          if (strategy == "mixed") {
            resource = "nvidia.com/mig-" + profile;
            std::ranges::replace(resource, '+', '.');
          }
          const std::string key = strategy == "single" ? "gpu" : resource.substr(11);
          const MadeLabels made =
              Make("flags: {migStrategy: " + strategy + "}\n" + Shared(replicas, "", resource),
                   Node({CutInto(name, profile)}));
          const std::string value = made.labels.at(key + ".product");
          const std::string what = name + profile + std::to_string(replicas);
          EXPECT_EQ(meaning.emplace(value, what).first->second, what) << value;
          std::string written = profile;
          std::ranges::replace(written, '+', '.');
          EXPECT_THAT(value, EndsWith("-MIG-" + written + (replicas > 1 ? "-SHARED" : "")));
          for (const auto& [label, text] : made.labels) EXPECT_LE(text.size(), 63U) << label;
        }
      }
    }
  }
  EXPECT_EQ(meaning.size(), 3U * 7U * 2U);
}

TEST(LongLabelsTest, WholeAndInvalidOnesLikewise) {
  const std::string name = kMaxQ + std::string(" for a Very Long Box");
  const auto product = [](const std::string& config, const gpu::Gpu& gpu) {
    return Make(config, Node({gpu})).labels["gpu.product"];
  };
  EXPECT_THAT(product("", Named(name)), EndsWith("-Very-Long-Box"));
  EXPECT_THAT(product(Shared(2), Named(name)), EndsWith("-Long-Box-SHARED"));
  EXPECT_NE(product("", Named(name + " 1")), product("", Named(name + " 2")));
  gpu::Gpu empty = Named(name);
  empty.mig_enabled = true;
  EXPECT_THAT(product("flags: {migStrategy: single}", empty), EndsWith("-MIG-INVALID"));
}

TEST(LongLabelsTest, EveryValueThatIsChangedIsWarnedAboutWithBoth) {
  const MadeLabels made =
      Make("flags: {migStrategy: mixed}\n" + Shared(2, "", "nvidia.com/mig-1g.24gb"),
           Node({CutInto(kMaxQ, "1g.24gb")}), {.machine = std::string(70, 'x')});
  EXPECT_THAT(
      made.warnings,
      ElementsAre(
          HasSubstr("nvidia.com/gpu.machine=" + std::string(70, 'x') + ": its value is xxx"),
          HasSubstr("nvidia.com/mig-1g.24gb.product=NVIDIA-RTX-PRO-6000-Blackwell-Max-Q-"
                    "Workstation-Edition-MIG-1g.24gb-SHARED: its value is " +
                    made.labels.at("mig-1g.24gb.product"))));
  EXPECT_THAT(Make(Shared(2), Node({Named(kMaxQ)})).warnings, IsEmpty());
}

TEST(LongLabelsTest, AWarningIsLoggedOnce) {
  LabelPublisher publisher("/nowhere");
  const config::Config config = testing::Config("flags: {migStrategy: single}\n" + Shared(2));
  const gpu::Inventory node = Node({CutInto(kMaxQ, "1g.24gb")});
  ::testing::internal::CaptureStderr();
  for (int i = 0; i < 3; ++i) publisher.Update(config, node, nullptr);
  const std::string log = ::testing::internal::GetCapturedStderr();
  const std::size_t first = log.find("MIG-1g.24gb-SHARED: its value is ");
  EXPECT_NE(first, std::string::npos) << log;
  EXPECT_EQ(log.find("its value is", first + 40), std::string::npos) << log;
}

TEST(FitLabelTest, LosesTheMiddleAndNeverTheDifference) {
  const std::string longest(63, 'x');
  EXPECT_EQ(FitLabel(longest), longest);
  EXPECT_EQ(FitLabel("-_" + longest + "._"), longest);
  std::set<std::string> seen;
  for (std::size_t size = 64; size < 200; ++size) {
    for (const std::size_t ending : {std::size_t{0}, std::size_t{7}, std::size_t{60}}) {
      const std::string fitted = FitLabel(std::string(size, 'x'), ending);
      EXPECT_LE(fitted.size(), 63U);
      seen.insert(fitted);
    }
  }
  EXPECT_EQ(seen.size(), 2U * (200 - 64));  // an ending of 60 leaves no room: as if there were none
  EXPECT_EQ(FitLabel("a b", 5), "ab");
  EXPECT_EQ(FitLabel("--", 2), "");
}

}  // namespace
}  // namespace tranche::labels
