#include "cdi/spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/testing/places.h"
#include "cdi/testing/driver_tree.h"

namespace tranche::cdi {
namespace {

using base::Json;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::testing::Not;

constexpr char kLibraries[] = "usr/lib/x86_64-linux-gnu";
constexpr char kCdiFileName[] = "k8s.device-plugin.nvidia.com-gpu.json";
constexpr char kOnHost[] = "/run/nvidia/driver";

// What NVIDIA's nvcdi library (nvidia-container-toolkit v1.19.0) wrote for a tree of the same files
// and nodes, which src/cdi/testing/driver_tree.cc makes, and what v1.20.2 adds to that: the last
// hook and the mount of /dev/null. `./test peer` compares with that version live.
Json Recorded(const std::string& name) {
  const std::string path = std::string(base::testing::kSourceDir) + "/src/cdi/testdata/" + name;
  const base::Result<std::string> text = base::ReadFile(path, 1U << 20U);
  EXPECT_TRUE(text.ok()) << path;
  return text.ok() ? *Json::Parse(*text) : Json();
}

std::vector<CdiFile> BuiltFiles(const config::Config& config, const gpu::Inventory& inventory,
                                const CdiRoots& roots) {
  base::Result<CdiFiles> made = BuildCdiFiles(config, inventory, roots);
  EXPECT_TRUE(made.ok()) << made.status().message();
  return made.ok() ? made->files : std::vector<CdiFile>();
}

// The spec of the GPUs.
Json Built(const config::Config& config, const gpu::Inventory& inventory, const CdiRoots& roots) {
  const std::vector<CdiFile> files = BuiltFiles(config, inventory, roots);
  return files.empty() ? Json() : files.front().spec;
}

std::vector<std::string> NamesOf(const std::vector<CdiFile>& files) {
  std::vector<std::string> names;
  names.reserve(files.size());
  for (const CdiFile& file : files) names.push_back(file.name);
  return names;
}

// The texts under `field` of the objects in the list `key` of `edits`.
std::vector<std::string> Texts(const Json& edits, const char* key, const char* field) {
  std::vector<std::string> texts;
  const Json* list = edits.Find(key);
  if (list == nullptr) return texts;
  for (const Json& item : list->as_array()) {
    const Json* text = item.Find(field);
    texts.push_back(text == nullptr ? "" : text->as_string());
  }
  return texts;
}

std::vector<std::string> DeviceNames(const Json& spec) { return Texts(spec, "devices", "name"); }

const Json& Common(const Json& spec) { return *spec.Find("containerEdits"); }

const Json& EditsOf(const Json& spec, const std::string& name) {
  for (const Json& device : spec.Find("devices")->as_array()) {
    if (device.Find("name")->as_string() == name) return *device.Find("containerEdits");
  }
  ADD_FAILURE() << "no device " << name;
  return Common(spec);
}

// "update-ldcache", … of the hooks of `edits`.
std::vector<std::string> HookNames(const Json& edits) {
  std::vector<std::string> names;
  const Json* hooks = edits.Find("hooks");
  if (hooks == nullptr) return names;
  for (const Json& hook : hooks->as_array()) {
    const Json::Array& args = hook.Find("args")->as_array();
    names.push_back(args.at(args.front().as_string() == "nvidia-ctk" ? 2 : 1).as_string());
  }
  return names;
}

TEST(CdiSpec, EqualsUpstreamOnADebianDriverRoot) {
  const cdi::testing::TestDriverTree tree(kLibraries);
  const Json spec = Built({}, cdi::testing::TestInventory(), tree.roots(kOnHost));
  EXPECT_EQ(spec.Dump(1), Recorded("upstream_debian.json").Dump(1));
}

TEST(CdiSpec, EqualsUpstreamWithIndicesFlagsAndTheOtherHookProgram) {
  const cdi::testing::TestDriverTree tree("usr/lib64");
  config::Config config;
  config.flags.plugin.device_id_strategy = config::DeviceIdStrategy::kIndex;
  config.flags.cdi_feature_flags = {"enable-explicit-driver-libraries", "unknown"};
  CdiRoots roots = tree.roots(kOnHost);
  roots.hook_path = "/usr/local/nvidia/toolkit/nvidia-cdi-hook";
  const Json spec = Built(config, cdi::testing::TestInventory(), roots);
  EXPECT_EQ(spec.Dump(1), Recorded("upstream_rhel.json").Dump(1));
}

TEST(CdiSpec, WritesAFileForEachFurtherClass) {
  const cdi::testing::TestDriverTree tree(kLibraries);
  config::Config config;
  config.flags.gdrcopy_enabled = true;
  config.flags.gds_enabled = true;
  config.flags.mofed_enabled = true;
  config.imex.channel_ids = {0, 7};
  const std::vector<CdiFile> files =
      BuiltFiles(config, cdi::testing::TestInventory(), tree.roots(kOnHost));
  EXPECT_THAT(NamesOf(files),
              ElementsAre(kCdiFileName, "k8s.device-plugin.nvidia.com-imex-channel.json",
                          "k8s.device-plugin.nvidia.com-gdrcopy.json",
                          "k8s.device-plugin.nvidia.com-gds.json",
                          "k8s.device-plugin.nvidia.com-mofed.json"));
  ASSERT_EQ(files.size(), 5U);
  for (const CdiFile& file : files) EXPECT_TRUE(CheckCdiSpec(file.spec).ok()) << file.name;
  EXPECT_EQ(files[0].spec.Find("kind")->as_string(), "k8s.device-plugin.nvidia.com/gpu");
  EXPECT_THAT(DeviceNames(files[1].spec), ElementsAre("0"));  // channel 7 is not there
  EXPECT_THAT(Texts(EditsOf(files[1].spec, "0"), "deviceNodes", "hostPath"),
              ElementsAre("/run/nvidia/driver/dev/nvidia-caps-imex-channels/channel0"));
  EXPECT_EQ(Common(files[1].spec), Json::MakeObject());
  EXPECT_THAT(Texts(EditsOf(files[2].spec, "all"), "deviceNodes", "path"),
              ElementsAre("/dev/gdrdrv"));
  EXPECT_EQ(files[3].spec.Dump(1), Recorded("upstream_gds.json").Dump(1));
  EXPECT_THAT(Texts(EditsOf(files[4].spec, "all"), "deviceNodes", "path"),
              ElementsAre("/dev/infiniband/rdma_cm", "/dev/infiniband/uverbs0"));
}

TEST(CdiSpec, LeavesOutClassesWithoutDevices) {
  const cdi::testing::TestDriverTree tree(kLibraries);
  for (const char* node : {"dev/gdrdrv", "dev/nvidia-fs0", "dev/nvidia-fs1", "dev/infiniband",
                           "dev/nvidia-caps-imex-channels"}) {
    tree.Remove(node);
  }
  config::Config config;
  config.flags.gdrcopy_enabled = true;
  config.flags.gds_enabled = true;
  config.flags.mofed_enabled = true;
  config.imex.channel_ids = {0};
  EXPECT_THAT(NamesOf(BuiltFiles(config, cdi::testing::TestInventory(), tree.roots(kOnHost))),
              ElementsAre(kCdiFileName));
}

TEST(CdiSpec, NamesMigDevicesInsteadOfTheirGpu) {
  const cdi::testing::TestDriverTree tree(kLibraries);
  gpu::Inventory inventory = cdi::testing::TestInventory();
  inventory.gpus[1].mig_enabled = true;
  inventory.gpus[1].mig_devices.push_back(
      {.uuid = "MIG-1",
       .index = 2,
       .profile = {},
       .device_paths = {"/dev/nvidia1", "/dev/nvidia-caps/nvidia-cap12",
                        "/dev/nvidia-caps/nvidia-cap13"}});
  const Json by_uuid = Built({}, inventory, tree.roots(kOnHost));
  EXPECT_THAT(DeviceNames(by_uuid), ElementsAre(inventory.gpus[0].uuid, "MIG-1"));
  EXPECT_THAT(Texts(EditsOf(by_uuid, "MIG-1"), "deviceNodes", "path"),
              ElementsAre("/dev/nvidia1", "/dev/nvidia-caps/nvidia-cap12",
                          "/dev/nvidia-caps/nvidia-cap13"));
  config::Config config;
  config.flags.plugin.device_id_strategy = config::DeviceIdStrategy::kIndex;
  EXPECT_THAT(DeviceNames(Built(config, inventory, tree.roots(kOnHost))), ElementsAre("0", "1:2"));
}

TEST(CdiSpec, IsLeftOutWhereThereIsNoDevice) {
  const cdi::testing::TestDriverTree tree(kLibraries);
  gpu::Inventory inventory = cdi::testing::TestInventory();
  for (gpu::Gpu& gpu : inventory.gpus) gpu.mig_enabled = true;  // without MIG devices
  EXPECT_THAT(BuiltFiles({}, inventory, tree.roots(kOnHost)), IsEmpty());
}

TEST(CdiSpec, SaysWhichFileIsMissing) {
  const cdi::testing::TestDriverTree tree(kLibraries);
  const auto message = [&tree](const gpu::Inventory& inventory) {
    const auto files = BuildCdiFiles({}, inventory, tree.roots(kOnHost));
    EXPECT_EQ(files.status().code(), base::Code::kFailedPrecondition);
    return files.status().message();
  };
  gpu::Inventory other = cdi::testing::TestInventory();
  other.driver_version = "580.1.2";
  EXPECT_THAT(message(other), HasSubstr("libcuda.so.580.1.2"));
  EXPECT_THAT(message(other), HasSubstr(tree.path()));
  for (const char* hostile : {"", "570", "../../etc/passwd.1", "5.*", "5.\n1"}) {
    other.driver_version = hostile;
    EXPECT_THAT(message(other), HasSubstr("is no driver version"));
  }
}

std::string LibraryDirectoryOf(const Json& spec) {
  return Common(spec).Find("env")->as_array().front().as_string();
}

TEST(CdiSpec, FindsTheDriverByLibnvidiaMlToo) {
  const cdi::testing::TestDriverTree tree(kLibraries);
  tree.Remove(std::string(kLibraries) + "/libcuda.so." + cdi::testing::kTestVersion);
  EXPECT_EQ(LibraryDirectoryOf(Built({}, cdi::testing::TestInventory(), tree.roots(kOnHost))),
            "NVIDIA_CTK_LIBCUDA_DIR=/usr/lib/x86_64-linux-gnu");
}

// As NVIDIA's toolkit from 1.20 on.
TEST(CdiSpec, LibrariesInSeveralDirectoriesAreAllFound) {
  const cdi::testing::TestDriverTree tree(kLibraries);
  const std::string further = std::string(kLibraries) + "/nvidia/current";
  const auto add = [&](const std::string& directory, const std::string& name) {
    tree.Write(directory + "/" + name + "." + cdi::testing::kTestVersion,
               cdi::testing::TestLibrary(name + ".1"), 0755);
  };
  add(further, "libnvidia-further.so");
  add(further + "/vdpau", "libvdpau_further.so");
  add("usr/lib64", "libnvidia-other.so");
  add("opt/elsewhere", "libnvidia-elsewhere.so");
  const Json spec = Built({}, cdi::testing::TestInventory(), tree.roots(kOnHost));
  EXPECT_EQ(LibraryDirectoryOf(spec),
            "NVIDIA_CTK_LIBCUDA_DIR=/usr/lib64:/usr/lib/x86_64-linux-gnu:"
            "/usr/lib/x86_64-linux-gnu/nvidia/current");
  const std::string text = spec.Dump();
  for (const char* library : {"current/libnvidia-further.so.", "current/vdpau/libvdpau_further.so.",
                              "lib64/libnvidia-other.so.", "x86_64-linux-gnu/libcuda.so."}) {
    EXPECT_THAT(text, HasSubstr(library));
  }
  EXPECT_THAT(text, Not(HasSubstr("libnvidia-elsewhere.so")));
}

TEST(CdiSpec, FindsTheDriverByTheLinkerCache) {
  const cdi::testing::TestDriverTree tree("opt/nv/lib");
  EXPECT_FALSE(BuildCdiFiles({}, cdi::testing::TestInventory(), tree.roots(kOnHost)).ok());
  tree.Write("etc/ld.so.cache", cdi::testing::TestLdCache(
                                    {{cdi::testing::kTestLibraryFlags, "/opt/nv/lib/libcuda.so.1"},
                                     {cdi::testing::kTestLibraryFlags, "/gone/libcuda.so.1"}}));
  EXPECT_EQ(LibraryDirectoryOf(Built({}, cdi::testing::TestInventory(), tree.roots(kOnHost))),
            "NVIDIA_CTK_LIBCUDA_DIR=/opt/nv/lib");
}

TEST(CdiSpec, LeavesOutLibrariesThatAreElsewhereOnTheHost) {
  const cdi::testing::TestDriverTree tree(kLibraries);
  const cdi::testing::TestDirectory elsewhere;
  elsewhere.Write("libnvidia-x.so.570.172.08", cdi::testing::TestLibrary("libnvidia-x.so.1"));
  tree.Link(elsewhere.path() + "/libnvidia-x.so.570.172.08",
            std::string(kLibraries) + "/libnvidia-x.so.570.172.08");
  const Json spec = Built({}, cdi::testing::TestInventory(), tree.roots(kOnHost));
  for (const std::string& path : Texts(Common(spec), "mounts", "hostPath")) {
    EXPECT_THAT(path, Not(HasSubstr("libnvidia-x")));
  }
  EXPECT_EQ(spec.Dump(), Recorded("upstream_debian.json").Dump());
}

TEST(CdiSpec, AddsTheDisplaySideOfAGpu) {
  const cdi::testing::TestDriverTree tree(kLibraries);
  tree.Write("sys/bus/pci/devices/0000:07:00.0/drm/card1/dev");
  tree.Write("sys/bus/pci/devices/0000:07:00.0/drm/renderD128/dev");
  tree.Write("sys/bus/pci/devices/0000:08:00.0/drm/card2/dev");  // without a node
  const gpu::Inventory inventory = cdi::testing::TestInventory();
  const Json spec = Built({}, inventory, tree.roots(kOnHost));
  const Json& first = EditsOf(spec, inventory.gpus[0].uuid);
  EXPECT_THAT(Texts(first, "deviceNodes", "path"),
              ElementsAre("/dev/nvidia0", "/dev/dri/card1", "/dev/dri/renderD128"));
  EXPECT_THAT(HookNames(first), ElementsAre("create-symlinks"));
  EXPECT_THAT(first.Dump(), HasSubstr("\"../card1::/dev/dri/by-path/pci-0000:07:00.0-card\""));
  EXPECT_THAT(first.Dump(),
              HasSubstr("\"../renderD128::/dev/dri/by-path/pci-0000:07:00.0-render\""));
  EXPECT_THAT(Texts(EditsOf(spec, inventory.gpus[1].uuid), "deviceNodes", "path"),
              ElementsAre("/dev/nvidia1"));
}

TEST(CdiSpec, TakesNodesFromTheDevRootOfItsOwn) {
  const cdi::testing::TestDriverTree tree(kLibraries);
  const cdi::testing::TestDriverTree other("usr/lib64");
  tree.Remove("dev");
  CdiRoots roots = other.roots("/");
  roots.driver_root_here = tree.path();
  roots.driver_root_on_host = kOnHost;
  roots.dev_root_on_host = "/host/dev";  // with its "dev", as some write it
  const Json spec = Built({}, cdi::testing::TestInventory(), roots);
  EXPECT_THAT(
      Texts(Common(spec), "deviceNodes", "hostPath"),
      ElementsAre("/host/dev/nvidia-uvm", "/host/dev/nvidia-uvm-tools", "/host/dev/nvidiactl"));
  EXPECT_THAT(Texts(Common(spec), "mounts", "hostPath"),
              Contains("/run/nvidia/driver/usr/bin/nvidia-debugdump"));
}

TEST(CdiSpec, HooksCanBeDisabledOneByOneOrAll) {
  const cdi::testing::TestDriverTree tree(kLibraries);
  config::Config config;
  config.flags.cdi_disable_hooks = {"enable-cuda-compat", "create-symlinks"};
  EXPECT_THAT(HookNames(Common(Built(config, cdi::testing::TestInventory(), tree.roots(kOnHost)))),
              ElementsAre("update-ldcache", "disable-device-node-modification",
                          "update-application-profile"));
  config.flags.cdi_disable_hooks = {"all"};
  const Json none = Built(config, cdi::testing::TestInventory(), tree.roots(kOnHost));
  EXPECT_EQ(Common(none).Find("hooks"), nullptr);
  // Disabled is not the same as replaced.
  EXPECT_THAT(Texts(Common(none), "mounts", "containerPath"),
              Not(Contains("/usr/lib/x86_64-linux-gnu/libcuda.so.1")));
}

TEST(CdiSpec, DoesWithoutHooksWhereTheHostHasNoHookProgram) {
  const cdi::testing::TestDriverTree tree(kLibraries);
  const Json spec = Built({}, cdi::testing::TestInventory(), tree.roots("/"));
  EXPECT_EQ(Common(spec).Find("hooks"), nullptr);
  const std::vector<std::string> paths = Texts(Common(spec), "mounts", "containerPath");
  const std::string libraries = "/usr/lib/x86_64-linux-gnu/";
  for (const char* name :
       {"libcuda.so.570.172.08", "libcuda.so.1", "libcuda.so", "libnvidia-ml.so.1",
        "libnvidia-encode.so.1", "libGLX_indirect.so.0", "gbm/nvidia-drm_gbm.so",
        "libnvidia-egl-gbm.so.1", "vdpau/libvdpau_nvidia.so.1"}) {
    EXPECT_EQ(std::count(paths.begin(), paths.end(), libraries + name), 1) << name;
  }
  for (const Json& mount : Common(spec).Find("mounts")->as_array()) {
    if (mount.Find("containerPath")->as_string() != libraries + "libcuda.so.1") continue;
    EXPECT_EQ(mount.Find("hostPath")->as_string(), libraries + "libcuda.so.570.172.08");
  }
}

TEST(CdiSpec, KeepsHooksWhereTheHostHasOrMayHaveTheProgram) {
  const cdi::testing::TestDriverTree tree(kLibraries);
  const auto hooks = [](const CdiRoots& roots) {
    return HookNames(Common(Built({}, cdi::testing::TestInventory(), roots))).size();
  };
  EXPECT_EQ(hooks(tree.roots("/")), 0U);
  EXPECT_EQ(hooks(tree.roots(kOnHost)), 6U);  // the host's own root cannot be seen
  // An absolute link is one of the host's.
  tree.Link("/opt/toolkit/nvidia-ctk", "usr/bin/nvidia-ctk");
  EXPECT_EQ(hooks(tree.roots("/")), 0U);
  tree.Write("opt/toolkit/nvidia-ctk", "", 0755);
  EXPECT_EQ(hooks(tree.roots("/")), 6U);
}

TEST(CdiSpec, HasWhatHasAVersionOfItsOwn) {
  const cdi::testing::TestDriverTree tree(kLibraries);
  tree.Write("lib/firmware/nvidia/570.172.08/ucodes_gb20x.bin");
  tree.Write(std::string(kLibraries) + "/libnvidia-nvvm70.so.4",
             cdi::testing::TestLibrary("libnvidia-nvvm70.so.4"));
  const Json spec = Built({}, cdi::testing::TestInventory(), tree.roots(kOnHost));
  EXPECT_THAT(Texts(Common(spec), "mounts", "containerPath"),
              IsSupersetOf({"/lib/firmware/nvidia/570.172.08/ucodes_gb20x.bin",
                            "/usr/lib/x86_64-linux-gnu/libnvidia-nvvm70.so.4"}));
}

TEST(CdiSpec, LeavesTheSocketsOfServicesOutWhereThatIsWanted) {
  const cdi::testing::TestDriverTree tree(kLibraries);
  config::Config config;
  const auto sockets = [&] {
    return Texts(Common(Built(config, cdi::testing::TestInventory(), tree.roots(kOnHost))),
                 "mounts", "containerPath");
  };
  EXPECT_THAT(sockets(), Contains("/run/nvidia-persistenced/socket"));
  config.flags.cdi_feature_flags = {"disable-ipc-discoverer"};
  EXPECT_THAT(sockets(), Not(Contains("/run/nvidia-persistenced/socket")));
}

TEST(CdiSpec, WritesOnlyWhatIsValidAndNew) {
  const cdi::testing::TestDirectory directory;
  const cdi::testing::TestDriverTree tree(kLibraries);
  const Json spec = Built({}, cdi::testing::TestInventory(), tree.roots(kOnHost));
  const std::string path = directory.path() + "/cdi/" + kCdiFileName;
  ASSERT_TRUE(WriteCdiSpec(directory.path() + "/cdi", kCdiFileName, spec).ok());
  EXPECT_EQ(*Json::Parse(*base::ReadFile(path, 1U << 20U)), spec);
  const base::FileIdentity first = base::IdentityOf(path);
  ASSERT_TRUE(WriteCdiSpec(directory.path() + "/cdi", kCdiFileName, spec).ok());
  EXPECT_EQ(base::IdentityOf(path), first);
  EXPECT_FALSE(WriteCdiSpec(directory.path() + "/cdi", kCdiFileName, Json::MakeObject()).ok());
  EXPECT_EQ(base::IdentityOf(path), first);
  Json changed = spec;
  changed.Set("cdiVersion", "1.0.0");
  ASSERT_TRUE(WriteCdiSpec(directory.path() + "/cdi", kCdiFileName, changed).ok());
  EXPECT_EQ(*Json::Parse(*base::ReadFile(path, 1U << 20U)), changed);
  struct stat info {};
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0644U);
}

}  // namespace
}  // namespace tranche::cdi
