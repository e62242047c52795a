#include "cli/common/yaml.h"

#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

namespace tranche::cli::common {
namespace {

using base::Json;

TEST(ToYamlTest, LooksAsPeopleWriteIt) {
  const Json json = *Json::Parse(
      R"({"apiVersion": "tranche.dev/v1", "nodes": [{"name": "gpu-node", "gpus": [], "in": null,
          "count": 4, "ok": true, "empty": {}}], "notes": ["a: b", "two words"]})");
  EXPECT_EQ(ToYaml(json),
            "apiVersion: tranche.dev/v1\n"
            "nodes:\n"
            "  - name: gpu-node\n"
            "    gpus: []\n"
            "    in: null\n"
            "    count: 4\n"
            "    ok: true\n"
            "    empty: {}\n"
            "notes:\n"
            "  - \"a: b\"\n"
            "  - \"two words\"\n");
}

TEST(ToYamlTest, StringsStayStrings) {
  for (const std::string text :
       {"",           "true", "No",   "null", "~",           "1",          "1.5", "0x1",
        "2026-01-01", "- a",  "a #b", "a:",   "multi\nline", "\"quoted\"", "*x",  "&x",
        "!t",         "{a",   "é",    "\x01", "=",           "<<"}) {
    const YAML::Node node = YAML::Load(ToYaml(Json::MakeObject({{"v", text}})))["v"];
    ASSERT_TRUE(node.IsScalar()) << text;
    EXPECT_EQ(node.Scalar(), text);
    // "!" is yaml-cpp's tag of a quoted scalar; a plain one must not look like anything else.
    if (node.Tag() != "!") {
      EXPECT_THROW(node.as<double>(), YAML::Exception) << text;
      EXPECT_THROW(node.as<bool>(), YAML::Exception) << text;
    }
  }
}

}  // namespace
}  // namespace tranche::cli::common
