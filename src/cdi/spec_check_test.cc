#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "cdi/spec.h"
#include "cdi/version.h"

namespace tranche::cdi {
namespace {

using base::Json;
using ::testing::HasSubstr;

Json Parsed(const std::string& text) {
  base::Result<Json> json = Json::Parse(text);
  EXPECT_TRUE(json.ok()) << json.status().message() << "\n" << text;
  return json.ok() ? *json : Json();
}

Json SpecWithEdits(const std::string& edits, const std::string& version = "1.1.0") {
  return Parsed(R"({"cdiVersion":")" + version +
                R"(","kind":"example.com/gpu","devices":[{"name":"a","containerEdits":)" + edits +
                "}]}");
}

constexpr char kNodeEdits[] = R"({"deviceNodes":[{"path":"/dev/a"}]})";

Json SpecWithDevices(const std::string& devices) {
  return Parsed(R"({"cdiVersion":"1.1.0","kind":"example.com/gpu","devices":)" + devices + "}");
}

Json SpecWithHead(const std::string& head) {
  return Parsed("{" + head + R"(,"devices":[{"name":"a","containerEdits":)" + kNodeEdits + "}]}");
}

TEST(CdiCheck, AcceptsEveryFieldOfTheSpecification) {
  const Json spec = Parsed(R"({
    "cdiVersion": "1.1.0", "kind": "vendor.example.com/a_b-c.D", "annotations": {"x.io/K_y": "v"},
    "devices": [
      {"name": "0:1", "annotations": {"Plain": ""}, "containerEdits": {
        "env": ["A=", "B=c=d"],
        "deviceNodes": [{"path": "/dev/x", "hostPath": "/d/x", "type": "c", "major": 195,
          "minor": 0, "fileMode": 438, "permissions": "rwm", "uid": 0, "gid": 4294967295}],
        "netDevices": [{"hostInterfaceName": "eth0", "name": "net0"}],
        "hooks": [{"hookName": "createContainer", "path": "/h", "args": ["h", ""],
          "env": ["X=1"], "timeout": 3}],
        "mounts": [{"hostPath": "/a", "containerPath": "/b", "options": ["ro"], "type": "bind"}],
        "intelRdt": {"closID": "x", "l3CacheSchema": "L3:0=f", "memBwSchema": "", "schemata": [],
          "enableMonitoring": true},
        "additionalGids": [44]}},
      {"name": "b", "containerEdits": {"intelRdt": {}}}],
    "containerEdits": {}})");
  EXPECT_TRUE(CheckCdiSpec(spec).ok()) << CheckCdiSpec(spec).message();
}

struct Refused {
  Json spec;
  std::string message;  // a part of it
};

void ExpectRefused(const std::vector<Refused>& cases) {
  for (const Refused& refused : cases) {
    const base::Status status = CheckCdiSpec(refused.spec);
    EXPECT_EQ(status.code(), base::Code::kInvalidArgument) << refused.spec.Dump();
    EXPECT_THAT(status.message(), HasSubstr(refused.message)) << refused.spec.Dump();
  }
}

TEST(CdiCheck, RefusesWrongTopLevels) {
  ExpectRefused({
      {Json(1), "must be an object"},
      {SpecWithHead(R"("kind":"a/b")"), "\"cdiVersion\" is missing"},
      {SpecWithHead(R"("cdiVersion":"1.1.0")"), "\"kind\" is missing"},
      {Parsed(R"({"cdiVersion":"1.1.0","kind":"a/b"})"), "\"devices\" is missing"},
      {SpecWithHead(R"("cdiVersion":"1.1.0","kind":"a/b","x":1)"), "unknown field \"x\""},
      {SpecWithHead(R"("cdiVersion":"1.1.0","kind":"a/b","containerEdits":[])"), "object"},
      {SpecWithHead(R"("cdiVersion":"1.1.0","kind":"a/b","containerEdits":{"env":["="]})"),
       "spec.containerEdits.env[0]: must be NAME=value"},
  });
}

TEST(CdiCheck, RefusesVersionsThatWereNeverReleased) {
  for (const char* version : {"\"\"", "\"1\"", "\"1.0\"", "\"v1.0.0\"", "\"0.9.0\"", "\"2.0.0\"",
                              "\"1.0.0-rc1\"", "1", "null"}) {
    ExpectRefused({{SpecWithHead(std::string(R"("kind":"a/b","cdiVersion":)") + version),
                    "spec.cdiVersion"}});
  }
}

TEST(CdiCheck, RefusesKindsOutsideTheGrammar) {
  for (const char* kind : {"", "a", "a/", "/b", "1a/b", "a/1b", "-a/b", "a-/b", "a/b.", "a/b/c",
                           "a b/c", "a/b=c", "\\u00e4/b"}) {
    ExpectRefused({{SpecWithHead(R"("cdiVersion":"1.1.0","kind":")" + std::string(kind) + "\""),
                    "spec.kind"}});
  }
  EXPECT_TRUE(CheckCdiSpec(SpecWithHead(R"("cdiVersion":"1.1.0","kind":"a/b")")).ok());
}

TEST(CdiCheck, RefusesDeviceNamesOutsideTheGrammar) {
  for (const char* name : {"\"\"", "\"-a\"", "\"a-\"", "\":a\"", "\"a/b\"", "\"a b\"", "\"a=b\"",
                           "\"a\\u0000\"", "7", "null"}) {
    ExpectRefused({{SpecWithDevices(R"([{"containerEdits":{"env":["A=b"]},"name":)" +
                                    std::string(name) + "}]"),
                    "spec.devices[0].name"}});
  }
}

TEST(CdiCheck, RefusesWrongDevices) {
  const std::string good = R"({"name":"a","containerEdits":{"env":["A=b"]}})";
  ExpectRefused({
      {SpecWithDevices("[]"), "spec.devices: is empty"},
      {SpecWithDevices("{}"), "must be a list"},
      {SpecWithDevices("[1]"), "spec.devices[0]: must be an object"},
      {SpecWithDevices("[" + good + "," + good + "]"), "\"a\" is there twice"},
      {SpecWithDevices(R"([{"name":"a"}])"), "\"containerEdits\" is missing"},
      {SpecWithDevices(R"([{"containerEdits":{}}])"), "does nothing"},
      {SpecWithDevices(R"([{"name":"a","containerEdits":{"env":[],"mounts":[]}}])"),
       "does nothing"},
      {SpecWithDevices(R"([{"containerEdits":{"env":["A=b"]}}])"), "\"name\" is missing"},
      {SpecWithDevices(R"([{"name":"a","containerEdits":{"env":["A=b"]},"nodes":[]}])"),
       "unknown field \"nodes\""},
  });
}

TEST(CdiCheck, RefusesWrongEdits) {
  ExpectRefused({
      {SpecWithEdits(R"({"env":["A"]})"), "must be NAME=value"},
      {SpecWithEdits(R"({"env":["=b"]})"), "must be NAME=value"},
      {SpecWithEdits(R"({"env":[1]})"), "must be a string"},
      {SpecWithEdits(R"({"env":"A=b"})"), "must be a list"},
      {SpecWithEdits(R"({"devicenodes":[]})"), "unknown field"},
      {SpecWithEdits(R"({"additionalGids":[-1]})"), "0 to 4294967295"},
      {SpecWithEdits(R"({"additionalGids":[4294967296]})"), "0 to 4294967295"},
      {SpecWithEdits(R"({"additionalGids":["44"]})"), "0 to 4294967295"},
  });
}

TEST(CdiCheck, RefusesWrongDeviceNodes) {
  const auto node = [](const std::string& fields) {
    return SpecWithEdits(R"({"deviceNodes":[{)" + fields + "}]}");
  };
  ExpectRefused({
      {node(R"("type":"c")"), "\"path\" is missing"},
      {node(R"("path":"")"), "must be an absolute path"},
      {node(R"("path":"dev/a")"), "must be an absolute path"},
      {node(R"("path":"/a","hostPath":"a")"), "hostPath: must be an absolute path"},
      {node(R"("path":"/a","type":"x")"), "must be b, c, u or p"},
      {node(R"("path":"/a","type":"cc")"), "must be b, c, u or p"},
      {node(R"("path":"/a","permissions":"rwx")"), "letters r, w and m"},
      {node(R"("path":"/a","major":"195")"), "major: must be an integer"},
      {node(R"("path":"/a","minor":1.5)"), "minor: must be an integer"},
      {node(R"("path":"/a","fileMode":-1)"), "fileMode"},
      {node(R"("path":"/a","uid":-1)"), "uid"},
      {node(R"("path":"/a","gid":4294967296)"), "gid"},
      {node(R"("path":"/a","mode":1)"), "unknown field \"mode\""},
  });
}

TEST(CdiCheck, RefusesWrongHooks) {
  const auto hook = [](const std::string& fields) {
    return SpecWithEdits(R"({"hooks":[{)" + fields + "}]}");
  };
  ExpectRefused({
      {hook(R"("path":"/h")"), "\"hookName\" is missing"},
      {hook(R"("hookName":"createContainer")"), "\"path\" is missing"},
      {hook(R"("hookName":"preStart","path":"/h")"), "\"preStart\" is no OCI hook"},
      {hook(R"("hookName":"prestart","path":"h")"), "must be an absolute path"},
      {hook(R"("hookName":"prestart","path":"/h","args":[1])"), "must be a string"},
      {hook(R"("hookName":"prestart","path":"/h","env":["X"])"), "must be NAME=value"},
      {hook(R"("hookName":"prestart","path":"/h","timeout":-1)"), "timeout"},
      {hook(R"("hookName":"prestart","path":"/h","user":"x")"), "unknown field"},
  });
}

TEST(CdiCheck, RefusesWrongMounts) {
  const auto mount = [](const std::string& fields) {
    return SpecWithEdits(R"({"mounts":[{)" + fields + "}]}");
  };
  ExpectRefused({
      {mount(R"("hostPath":"/a")"), "\"containerPath\" is missing"},
      {mount(R"("containerPath":"/a")"), "\"hostPath\" is missing"},
      {mount(R"("hostPath":"a","containerPath":"/a")"), "absolute"},
      {mount(R"("hostPath":"/a","containerPath":"")"), "absolute"},
      {mount(R"("hostPath":"/a","containerPath":"/a","options":"ro")"), "must be a list"},
      {mount(R"("hostPath":"/a","containerPath":"/a","options":[1])"), "must be a string"},
      {mount(R"("hostPath":"/a","containerPath":"/a","type":1)"), "must be a string"},
      {mount(R"("hostPath":"/a","containerPath":"/a","source":"/a")"), "unknown field"},
  });
}

TEST(CdiCheck, RefusesWrongNetDevicesAndRdt) {
  ExpectRefused({
      {SpecWithEdits(R"({"netDevices":[{"name":"a"}]})"), "\"hostInterfaceName\" is missing"},
      {SpecWithEdits(R"({"netDevices":[{"hostInterfaceName":"a","name":""}]})"), "is empty"},
      {SpecWithEdits(R"({"netDevices":[{"hostInterfaceName":"a","name":"x"},
                                       {"hostInterfaceName":"a","name":"y"}]})"),
       "\"a\" is there twice"},
      {SpecWithEdits(R"({"netDevices":[{"hostInterfaceName":"a","name":"x"},
                                       {"hostInterfaceName":"b","name":"x"}]})"),
       "\"x\" is there twice"},
      {SpecWithEdits(R"({"intelRdt":{"closID":"a/b"}})"), "is no file name"},
      {SpecWithEdits(R"({"intelRdt":{"closID":".."}})"), "is no file name"},
      {SpecWithEdits(R"({"intelRdt":{"enableMonitoring":1}})"), "true or false"},
      {SpecWithEdits(R"({"intelRdt":{"enableCMT":true}})"), "unknown field"},
  });
}

TEST(CdiCheck, RefusesWrongAnnotations) {
  for (const char* annotations :
       {R"([])", R"({"a":1})", R"({"":"v"})", R"({"-a":"v"})", R"({"/a":"v"})", R"({"a..b/c":"v"})",
        R"({"a/b/c":"v"})", R"({"a_b/c":"v"})"}) {
    ExpectRefused({{SpecWithHead(R"("cdiVersion":"1.1.0","kind":"a/b","annotations":)" +
                                 std::string(annotations)),
                    "spec.annotations"}});
  }
  ExpectRefused({{SpecWithHead(R"("cdiVersion":"1.1.0","kind":"a/b","annotations":{")" +
                               std::string(64, 'a') + R"(":"v"})"),
                  "is no valid key"},
                 {SpecWithHead(R"("cdiVersion":"1.1.0","kind":"a/b","annotations":{"a":")" +
                               std::string(256U << 10U, 'v') + R"("})"),
                  "256 KiB"}});
}

TEST(CdiCheck, RefusesWhatIsTooLarge) {
  std::string variables = "\"A=b\"";
  for (int i = 0; i < 4096; ++i) variables += ",\"A=b\"";
  ExpectRefused({
      {SpecWithEdits(R"({"env":[)" + variables + "]}"), "has too many items"},
      {SpecWithEdits(R"({"env":["A=)" + std::string(4096, 'b') + R"("]})"), "is too long"},
  });
}

TEST(CdiCheck, RefusesFeaturesNewerThanTheVersion) {
  struct Case {
    std::string edits;
    std::string needs;
    std::string before;
  };
  for (const auto& [edits, needs, before] : std::vector<Case>{
           {R"({"mounts":[{"hostPath":"/a","containerPath":"/a","type":"bind"}]})", "0.4.0",
            "0.3.0"},
           {R"({"deviceNodes":[{"path":"/a","hostPath":"/b"}]})", "0.5.0", "0.4.0"},
           {R"({"additionalGids":[44]})", "0.7.0", "0.6.0"},
           {R"({"intelRdt":{"closID":"a"}})", "0.7.0", "0.6.0"},
           {R"({"intelRdt":{"schemata":[]}})", "1.1.0", "1.0.0"},
           {R"({"intelRdt":{"enableMonitoring":true}})", "1.1.0", "1.0.0"},
           {R"({"netDevices":[{"hostInterfaceName":"a","name":"b"}]})", "1.1.0", "1.0.0"}}) {
    EXPECT_TRUE(CheckCdiSpec(SpecWithEdits(edits, needs)).ok()) << edits;
    ExpectRefused({{SpecWithEdits(edits, before), needs + " does"}});
  }
}

TEST(CdiCheck, CountsNamesAndAnnotationsForTheVersion) {
  const auto version_of = [](const std::string& text) { return MinimumCdiVersion(Parsed(text)); };
  EXPECT_EQ(version_of(R"({"kind":"a.b/c","devices":[{"name":"a"}]})"), "0.3.0");
  EXPECT_EQ(version_of(R"({"kind":"a/c","devices":[{"name":"0"}]})"), "0.5.0");
  EXPECT_EQ(version_of(R"({"kind":"a/c.d","devices":[{"name":"0"}]})"), "0.6.0");
  EXPECT_EQ(version_of(R"({"kind":"a/c","annotations":{"a":"b"}})"), "0.6.0");
  EXPECT_EQ(version_of(R"({"kind":"a/c","devices":[{"name":"a","annotations":{"a":"b"}}]})"),
            "0.6.0");
  EXPECT_EQ(version_of(R"([1])"), "0.3.0");
  EXPECT_EQ(version_of(R"({"kind":1,"devices":{"name":1},"containerEdits":[],"annotations":2})"),
            "0.3.0");
}

}  // namespace
}  // namespace tranche::cdi
