#include "config/mistakes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "config/load.h"
#include "config/yaml/diagnostic.h"

namespace tranche::config {
namespace {

using yaml::kMaxMistakes;

// Each finding as `validate` prints it, but for the name of the file.
std::vector<std::string> Of(const std::string& text) {
  std::vector<std::string> out;
  for (Diagnostic one : CheckConfig(text, {}, {}).findings) {
    if (one.severity == Severity::kCannotBeMeant) one.severity = Severity::kError;
    out.push_back(FormatDiagnostic("f", one));
  }
  return out;
}

std::string Entry(const std::string& entry) {
  return "sharing:\n  timeSlicing:\n    resources:\n    - " + entry + "\n";
}

struct Case {
  std::string text;
  std::vector<std::string> findings;
};

void Expect(const std::vector<Case>& cases) {
  for (const Case& one : cases) EXPECT_EQ(Of(one.text), one.findings) << one.text;
}

TEST(MistakesTest, AConfigWithoutAMistakeHasNone) {
  Expect({{"", {}},
          {"version: v1\n" + Entry("{name: nvidia.com/gpu, replicas: 4}"), {}},
          {Entry("{name: mig-1g.10gb, replicas: 1, devices: all}"), {}},
          {"flags: {migStrategy: mixed, plugin: {deviceListStrategy: [envvar, cdi-cri]}}", {}},
          {"flags: {gfd: {sleepInterval: infinite}}\nimex: {channelIDs: [0]}", {}},
          {"flags: null\nsharing: null\nresources: {gpus: [{pattern: '*', name: gpu}]}\n",
           {"f: warning: Customizing the 'resources' field is not yet supported in the config. "
            "Ignoring..."}}});
}

TEST(MistakesTest, AValueOfTheWrongKindSaysWhatToWrite) {
  Expect({{Entry("{name: gpu, replicas: \"4\"}"),
           {"f:4:29: error: replicas: \"4\" is text, a number is wanted; write replicas: 4"}},
          {Entry("{name: gpu, replicas: [4]}"),
           {"f:4:19: error: replicas is a list, a number is wanted; write replicas: 4"}},
          {Entry("{name: gpu, replicas: 2.5}"),
           {"f:4:29: error: replicas: 2.5 is no whole number that can be counted to; write "
            "replicas: 4"}},
          {Entry("{name: gpu, replicas: 2000000}"),
           {"f:4:29: error: replicas: 2000000 is more than 1000000; write how many pods may share "
            "one device"}},
          {"flags: {failOnInitError: \"false\", gdsEnabled: maybe, mpsRoot: 7}",
           {"f:1:26: error: failOnInitError: \"false\" is text, true or false is wanted; write "
            "failOnInitError: false",
            "f:1:47: error: gdsEnabled: \"maybe\" is text, true or false is wanted; write "
            "gdsEnabled: true or gdsEnabled: false",
            "f:1:63: error: mpsRoot: 7 is a number, text is wanted; write mpsRoot: \"7\""}},
          {"flags: [a]\nsharing: 3\n",
           {"f:1:1: error: flags is a list, a map is wanted",
            "f:2:10: error: sharing: 3 is a number, a map is wanted"}},
          {"- a\n",
           {"f:1:1: error: [\"a\"] is no config: a map of keys is wanted; write version: v1, and "
            "what is shared below sharing"}}});
}

TEST(MistakesTest, AWordThatIsNotKnownNamesTheNearest) {
  Expect(
      {{"flags: {migStrategy: singel, deviceDiscoveryStrategy: tegra}",
        {"f:1:22: error: migStrategy: \"singel\" is not known; write single",
         "f:1:55: error: deviceDiscoveryStrategy: tegra is not supported; write auto or nvml: "
         "only GPUs that NVML reports are served"}},
       {"flags: {plugin: {deviceListStrategy: 'envvar,cdi-cri', deviceIDStrategy: name}}",
        {"f:1:38: error: deviceListStrategy: \"envvar,cdi-cri\" is one text with a comma; only "
         "flags and environment variables are split at commas; write a list, [envvar, cdi-cri]",
         "f:1:74: error: deviceIDStrategy: \"name\" is not known; write one of uuid, index"}},
       {"flags: {plugin: {sharedDevicesAllocationPolicy: spread}}",
        {"f:1:49: error: sharedDevicesAllocationPolicy: spread is not known here; write it as "
         "allocationPolicy of an entry of tranche.resources"}},
       {"version: 2\n", {"f:1:10: error: version: 2 is a number, v1 is wanted; write version: v1"}},
       {"flags: {gfd: {sleepInterval: soon}}",
        {"f:1:30: error: sleepInterval: \"soon\" is no duration; write sleepInterval: 60s, 5m or "
         "infinite"}}});
}

TEST(MistakesTest, AKeyInTheWrongPlaceIsToldWhereItBelongs) {
  Expect({{"flags:\n  renameByDefault: true\n",
           {"f:2:3: error: unknown key 'renameByDefault' in flags; it belongs at "
            "sharing.timeSlicing.renameByDefault"}},
          {"sharing:\n  resources: []\n",
           {"f:2:3: error: unknown key 'resources' in sharing; it belongs at "
            "sharing.timeSlicing.resources"}},
          {"timeSlicing: {}\n",
           {"f:1:1: error: unknown key 'timeSlicing' at the top level; it belongs at "
            "sharing.timeSlicing"}},
          {"sharing: {time-slicing: {}}\n",
           {"f:1:11: error: unknown key 'time-slicing' in sharing; did you mean 'timeSlicing'?"}},
          {"imex: {colour: 1}\n",
           {"f:1:8: error: unknown key 'colour' in imex; known here: channelIDs, required"}},
          {"mig-configs: {}\n",
           {"f:1:1: error: 'mig-configs' is a config of mig-parted (the MIG manager); put it into "
            "a ConfigMap of its own, and name that to the MIG manager"}},
          {"kind: ConfigMap\napiVersion: v1\ndata: {}\n",
           {"f:1:1: error: a Kubernetes object (kind: ConfigMap) and not a sharing config; write "
            "into the file what stands below one key of its data"}}});
}

TEST(MistakesTest, WhatIsMissingIsToldOnceAndWhereItIsMisspelt) {
  Expect({{Entry("{name: gpu, replica: 4}"),
           {"f:4:19: error: unknown key 'replica' in sharing.timeSlicing.resources[]; did you mean "
            "'replicas'?"}},
          {Entry("{name: gpu}"),
           {"f:4:7: error: replicas is missing in sharing.timeSlicing.resources[]; write replicas: "
            "4 (1 means not shared)"}},
          {"sharing: {timeSlicing: {}}",
           {"f:1:11: error: resources is missing in sharing.timeSlicing; write the resources to "
            "share, `- name: nvidia.com/gpu`"}},
          {"sharing:\n  timeSlicing:\n    resources:\n    name: gpu\n    replicas: 4\n",
           {"f:3:5: error: resources has no entry, a list is wanted: an entry's keys stand beside "
            "it; write a dash before the first of them, `- name: nvidia.com/gpu`, and indent the "
            "others as that one"}},
          {"sharing:\n  timeSlicing:\n    resources: []\n",
           {"f:3:5: error: resources has no entry; write `- name: nvidia.com/gpu` below it, or "
            "leave sharing out"}},
          {"sharing: {timeSlicing: {resources: {name: gpu, replicas: 4}}}",
           {"f:1:25: error: resources is a map, a list is wanted; write a dash before each entry: "
            "`- name: gpu`"}}});
}

TEST(MistakesTest, AResourceThatCannotBeSharedSaysWhich) {
  const auto with = [](const std::string& name) {
    return Entry("{replicas: 2, name: " + name + "}");
  };
  Expect({{with("nvidia.com/gpus"),
           {"f:4:27: error: nvidia.com/gpus matches no NVIDIA resource; write nvidia.com/gpu, or "
            "nvidia.com/mig-1g.10gb for a MIG profile"}},
          {with("nvidia/gpu"),
           {"f:4:27: error: 'nvidia/gpu' is no name below nvidia.com; write nvidia.com/gpu"}},
          {with("amd.com/gpu"),
           {"f:4:27: error: 'amd.com/gpu': only nvidia.com resources can be shared; write "
            "nvidia.com/gpu"}},
          {with("nvidia.com/gpu.shared"),
           {"f:4:27: error: nvidia.com/gpu.shared is what renaming makes, no device has it; write "
            "name: nvidia.com/gpu (renameByDefault: true adds .shared)"}},
          {with("nvidia.com/GPU"),
           {"f:4:27: error: 'nvidia.com/GPU' is no resource name: a-z, 0-9, - and . are allowed "
            "after the slash; write nvidia.com/gpu"}},
          {with("nvidia.com/mig-1g"),
           {"f:4:27: error: nvidia.com/mig-1g matches no NVIDIA resource; write the profile as in "
            "nvidia.com/mig-1g.10gb"}},
          {"flags:\n  migStrategy: none\n" + with("nvidia.com/mig-1g.5gb"),
           {"f:6:27: error: nvidia.com/mig-1g.5gb can match nothing while flags.migStrategy is "
            "none (line 2); write migStrategy: mixed, or leave this entry out"}},
          {with("nvidia.com/mig-1g.5gb.shared"),
           {"f:4:27: error: nvidia.com/mig-1g.5gb.shared is what renaming makes, no device has it; "
            "write name: nvidia.com/mig-1g.5gb (renameByDefault: true adds .shared)"}},
          {with("nvidia.com/mig-1c.3g.20gb"), {}},
          {with("nvidia.com/mig-1g.10gb.me"), {}},
          {with("gpu"), {}}});
}

TEST(MistakesTest, WhatCannotBeReadSaysWhatPeopleDidToIt) {
  Expect(
      {{"version: v1\nsharing:\n\ttimeSlicing:\n",
        {"f:3:1: error: a tab is used as indentation; write spaces"}},
       {Entry("{name: gpu, replicas: {{ .Values.replicas }}}"),
        {"f:4:30: error: a template that nobody has filled in; fill the template in first, as "
         "`helm template` does"}},
       {Entry("{name: gpu, replicas: \"{{ .Values.replicas }}\"}"),
        {"f:4:29: error: replicas: \"{{ .Values.replicas }}\" is a template that nobody has "
         "filled in; a number is wanted; fill the template in first, as `helm template` does"}}});
}

TEST(MistakesTest, AMissingSpaceAfterAColonIsToldInItsLine) {
  const std::string hint = " has no space after the colon; write ";
  Expect({{Entry("name: nvidia.com/gpu\n      replicas:4"),
           {"f:5:7: error: replicas:4" + hint + "replicas: 4"}},
          {Entry("name: nvidia.com/gpu\n      replicas:4  # each\n\n      # more\n    - name: gpu"),
           {"f:5:7: error: replicas:4" + hint + "replicas: 4"}},
          {Entry("name:nvidia.com/gpu\n      replicas: 4"),
           {"f:4:7: error: name:nvidia.com/gpu" + hint + "name: nvidia.com/gpu"}},
          {"version:v1\n" + Entry("{name: gpu, replicas: 4}"),
           {"f:1:1: error: version:v1" + hint + "version: v1"}}});
}

// What is wrong may be something else beside a text with a colon in it.
TEST(MistakesTest, OnlyALineWithoutAKeyIsBlamedForAMissingSpace) {
  for (const char* text : {"a: b\nhttp://x\nc: d\n", "a: b\nc:d: e: f\n", "a: x:y\nb: c: d\n",
                           "x:y\n\tz: [\n", "a: [x:y\n"}) {
    const auto told = Of(text);
    ASSERT_EQ(told.size(), 1U) << text;
    EXPECT_EQ(told[0].find("no space"), std::string::npos) << told[0];
  }
}

TEST(MistakesTest, OnlyATabNearTheFailureIsBlamedForIt) {
  const auto told = Of("a: |\n  x:\n  \ty\n\n\n\nb: x: y\n");
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].find("tab"), std::string::npos) << told[0];
}

TEST(MistakesTest, AListThatStandsTooHighIsToldWhereItBelongs) {
  Expect({{"resources:\n- {name: gpu, replicas: 2}\n",
           {"f:1:1: error: resources is a list, a map is wanted; move it to "
            "sharing.timeSlicing.resources"}},
          {"sharing: {timeSlicing: [{name: gpu, replicas: 2}]}\n",
           {"f:1:11: error: timeSlicing is a list, a map is wanted; write it below "
            "sharing.timeSlicing.resources"}}});
}

// One long text that many items name costs no more than what is shown of it.
TEST(MistakesTest, MessagesOfLongTextsAreCutBeforeTheyAreMade) {
  std::string text = "s: &s " + std::string(100'000, 'x') +
                     "\nsharing:\n  timeSlicing:\n"
                     "    resources:\n";
  for (int i = 0; i < 5'000; ++i) text += "    - *s\n";
  for (const std::string& one : Of(text)) EXPECT_LT(one.size(), 400U);
}

TEST(MistakesTest, AllMistakesOfAFileAreToldInItsOrder) {
  const auto found = Of(
      "flags:\n  migStrategy: some\n  plugin: {deviceIDStrategy: name}\nsharing:\n  timeSlicing:\n"
      "    resources:\n    - {name: amd.com/gpu, replicas: \"4\"}\n    - {name: gpu, replicas: 0}\n"
      "tranche:\n  time: {weight: 0, min: 5}\n  health: {recovery: soon}\n");
  ASSERT_EQ(found.size(), 8U);
  const auto line = [](const std::string& one) { return one.substr(0, one.find(':', 2)); };
  std::vector<std::string> lines;
  std::transform(found.begin(), found.end(), std::back_inserter(lines), line);
  EXPECT_EQ(lines,
            (std::vector<std::string>{"f:2", "f:3", "f:7", "f:7", "f:8", "f:10", "f:10", "f:11"}));
}

TEST(MistakesTest, TheirNumberIsBounded) {
  std::string text = "sharing:\n  timeSlicing:\n    resources:\n";
  for (int i = 0; i < 1000; ++i) text += "    - {name: gpu, replicas: 0}\n";
  EXPECT_EQ(Of(text).size(), kMaxMistakes);
}

}  // namespace
}  // namespace tranche::config
