#include "cli/common/upstream_flags.h"

#include <fmt/format.h>

#include "config/config.h"
#include "config/to_json.h"

namespace tranche::cli::common {

namespace {

using config::Flags;
using config::GfdFlags;
using config::Imex;
using config::PluginFlags;
using config::Text;

std::string SleepInterval() {
  const auto interval = GfdFlags().sleep_interval.value();
  return fmt::format("{}s", std::chrono::duration_cast<std::chrono::seconds>(interval).count());
}

}  // namespace

FlagGroup UpstreamPluginFlags() {
  const Flags defaults;
  const PluginFlags& plugin = defaults.plugin;
  return {
      .title = "Flags of NVIDIA's device plugin",
      .flags = {
          Flag("mig-strategy")
              .Env("MIG_STRATEGY")
              .Default(Text(defaults.mig_strategy))
              .Help("how MIG devices are advertised: none, single or mixed"),
          BoolFlag("fail-on-init-error", defaults.fail_on_init_error)
              .Env("FAIL_ON_INIT_ERROR")
              .Help("exit when there is no working driver; false: wait for one"),
          Flag("driver-root")
              .Alias("nvidia-driver-root")
              .Env("NVIDIA_DRIVER_ROOT")
              .Default(defaults.nvidia_driver_root)
              .Help("where the driver is installed on the host"),
          Flag("dev-root")
              .Alias("nvidia-dev-root")
              .Env("NVIDIA_DEV_ROOT")
              .DefaultWords("the driver root")
              .Help("the host directory whose /dev holds the device nodes"),
          BoolFlag("pass-device-specs", plugin.pass_device_specs)
              .Env("PASS_DEVICE_SPECS")
              .Help("name the device nodes in each answer to the kubelet"),
          ListFlag("device-list-strategy")
              .Env("DEVICE_LIST_STRATEGY")
              .Default(Text(plugin.device_list_strategy.front()))
              .Help("how a container is told its devices: envvar, volume-mounts, cdi-annotations, "
                    "cdi-cri; several, split by commas"),
          Flag("device-id-strategy")
              .Env("DEVICE_ID_STRATEGY")
              .Default(Text(plugin.device_id_strategy))
              .Help("how a container is told which devices are its own: uuid or index"),
          BoolFlag("gdrcopy-enabled", defaults.gdrcopy_enabled)
              .Env("GDRCOPY_ENABLED")
              .Help("give containers GDRCopy"),
          BoolFlag("gds-enabled", defaults.gds_enabled)
              .Env("GDS_ENABLED")
              .Help("give containers GPUDirect Storage"),
          BoolFlag("mofed-enabled", defaults.mofed_enabled)
              .Env("MOFED_ENABLED")
              .Help("give containers the InfiniBand devices"),
          Flag("cdi-annotation-prefix")
              .Env("CDI_ANNOTATION_PREFIX")
              .Default(plugin.cdi_annotation_prefix)
              .Help("what the keys of CDI annotations start with"),
          Flag("nvidia-cdi-hook-path")
              .Alias("nvidia-ctk-path")
              .Env("NVIDIA_CDI_HOOK_PATH")
              .Env("NVIDIA_CTK_PATH")
              .Default(plugin.nvidia_ctk_path)
              .Help("the hook program that the CDI spec names, a path on the host"),
          Flag("driver-root-ctr-path")
              .Alias("container-driver-root")
              .Env("DRIVER_ROOT_CTR_PATH")
              .Env("CONTAINER_DRIVER_ROOT")
              .Default(plugin.container_driver_root)
              .Help("where the driver root is mounted for this program"),
          Flag("mps-root").Env("MPS_ROOT").Help("accepted; MPS is not supported"),
          Flag("shared-devices-allocation-policy")
              .Env("SHARED_DEVICES_ALLOCATION_POLICY")
              .Default(Text(plugin.shared_devices_allocation_policy))
              .Help("which replicas are preferred: distributed or packed"),
          Flag("device-discovery-strategy")
              .Env("DEVICE_DISCOVERY_STRATEGY")
              .Default(defaults.device_discovery_strategy)
              .Help("how devices are found: auto or nvml"),
          IntListFlag("imex-channel-ids")
              .Env("IMEX_CHANNEL_IDS")
              .Help("IMEX channels to inject: 0 or none"),
          BoolFlag("imex-required", Imex().required)
              .Env("IMEX_REQUIRED")
              .Help("fail where the IMEX channels are absent"),
          Flag("kubelet-socket")
              .Env("KUBELET_SOCKET")
              .Default("/var/lib/kubelet/device-plugins/kubelet.sock")
              .Help("where the kubelet takes registrations; empty: do not register"),
          Flag("config-file").Env("CONFIG_FILE").Help("the sharing config, YAML or JSON"),
          ListFlag("cdi-feature-flags")
              .Env("CDI_FEATURE_FLAGS")
              .Help("features of the CDI spec to turn on"),
          ListFlag("cdi-disable-hooks")
              .Env("CDI_DISABLE_HOOKS")
              .Help("hooks to leave out of the CDI spec"),
      }};
}

FlagGroup UpstreamFeatureDiscoveryFlags() {
  const Flags defaults;
  return {
      .title = "Flags of NVIDIA's gpu-feature-discovery",
      .flags = {
          Flag("mig-strategy")
              .Env("GFD_MIG_STRATEGY")
              .Env("MIG_STRATEGY")
              .Default(Text(defaults.mig_strategy))
              .Help("how MIG devices are advertised: none, single or mixed"),
          BoolFlag("fail-on-init-error", defaults.fail_on_init_error)
              .Env("GFD_FAIL_ON_INIT_ERROR")
              .Env("FAIL_ON_INIT_ERROR")
              .Help("exit when there is no working driver; false: wait for one"),
          BoolFlag("oneshot", defaults.gfd.oneshot).Env("GFD_ONESHOT").Help("label once and exit"),
          BoolFlag("no-timestamp", defaults.gfd.no_timestamp)
              .Env("GFD_NO_TIMESTAMP")
              .Help("leave the label nvidia.com/gfd.timestamp out"),
          DurationFlag("sleep-interval")
              .Env("GFD_SLEEP_INTERVAL")
              .Default(SleepInterval())
              .Help("the longest time between two looks at the node; infinite: look when something "
                    "happens"),
          Flag("output-file")
              .Alias("output")
              .Alias("o")
              .Env("GFD_OUTPUT_FILE")
              .Default(defaults.gfd.output_file)
              .Help("where labels are written without the NodeFeature API; empty: standard output"),
          Flag("machine-type-file")
              .Env("GFD_MACHINE_TYPE_FILE")
              .Default(defaults.gfd.machine_type_file)
              .Help("the file that names the machine's type"),
          Flag("config-file")
              .Env("GFD_CONFIG_FILE")
              .Env("CONFIG_FILE")
              .Help("the sharing config, YAML or JSON"),
          BoolFlag("use-node-feature-api", true)
              .Env("GFD_USE_NODE_FEATURE_API")
              .Env("USE_NODE_FEATURE_API")
              .Help("publish labels through Node Feature Discovery's NodeFeature object"),
          Flag("device-discovery-strategy")
              .Env("DEVICE_DISCOVERY_STRATEGY")
              .Default(defaults.device_discovery_strategy)
              .Help("how devices are found: auto or nvml"),
          Flag("driver-root-ctr-path")
              .Alias("container-driver-root")
              .Env("DRIVER_ROOT_CTR_PATH")
              .Env("CONTAINER_DRIVER_ROOT")
              .Default(defaults.plugin.container_driver_root)
              .Help("where the driver root is mounted for this program"),
          Flag("kubeconfig")
              .Env("KUBECONFIG")
              .Help("how to reach the API server; empty: by the pod's service account"),
          NumberFlag("kube-api-qps")
              .Env("KUBE_API_QPS")
              .Default("5")
              .Help("requests a second to the API server"),
          IntFlag("kube-api-burst")
              .Env("KUBE_API_BURST")
              .Default("10")
              .Help("requests to the API server at one time"),
          Flag("namespace")
              .Env("NAMESPACE")
              .Default("default")
              .Help("namespace of the NodeFeature object"),
          Flag("node-name").Env("NODE_NAME").Help("the node that is labelled"),
          Flag("pod-name")
              .Env("POD_NAME")
              .Help("name of this program's pod; the NodeFeature object is removed with it"),
      }};
}

}  // namespace tranche::cli::common
