#include "config/flag_table.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "config/units.h"

namespace tranche::config {
namespace {

std::vector<std::string> SplitList(std::string_view text) {
  std::vector<std::string> out;
  while (true) {
    const std::size_t comma = text.find(',');
    out.emplace_back(base::Trim(text.substr(0, comma)));
    if (comma == std::string_view::npos) return out;
    text.remove_prefix(comma + 1);
  }
}

base::Status Invalid(std::string message) {
  return {base::Code::kInvalidArgument, std::move(message)};
}

// Why Go's strconv refuses `text`.
std::string NotAnInt(std::string_view text) {
  return fmt::format("strconv.ParseInt: parsing \"{}\": invalid syntax", text);
}

struct Known {
  const FlagSpec* flag;
  std::string_view spelling;
};

std::optional<Known> FindFlag(const std::vector<FlagGroup>& groups, std::string_view name) {
  for (const FlagGroup& group : groups) {
    for (const FlagSpec& flag : group.flags) {
      if (flag.name == name) return Known{&flag, flag.name};
      for (const std::string& alias : flag.aliases) {
        if (alias == name) return Known{&flag, alias};
      }
    }
  }
  return std::nullopt;
}

// One flag's variable, if any is present.
base::Result<std::optional<Override>> FromEnvironment(const FlagSpec& flag,
                                                      const EnvironmentLookup& lookup) {
  for (const std::string& name : flag.environment) {
    const auto value = lookup(name);
    if (!value) continue;
    Override out{flag.name, {}, fmt::format("environment variable \"{}\"", name)};
    const auto not_a = [&](std::string_view kind, std::string_view why) {
      return Invalid(fmt::format("could not parse \"{}\" as {} value from {} for flag {}: {}",
                                 *value, kind, out.origin, flag.name, why));
    };
    switch (flag.kind) {
      case FlagKind::kText:
        out.values = {*value};
        break;
      case FlagKind::kBool: {
        const auto parsed = value->empty() ? std::optional(false) : ParseGoBool(*value);
        if (!parsed) {
          return not_a("bool",
                       fmt::format("strconv.ParseBool: parsing \"{}\": invalid syntax", *value));
        }
        out.values = {*parsed ? "true" : "false"};
        break;
      }
      case FlagKind::kTextList:
        out.values = SplitList(*value);
        break;
      case FlagKind::kIntList:
        if (value->empty()) return std::optional<Override>();
        out.values = SplitList(*value);
        for (const std::string& item : out.values) {
          if (!ParseGoInt(item)) return not_a("int slice", NotAnInt(item));
        }
        break;
    }
    return std::optional(std::move(out));
  }
  return std::optional<Override>();
}

class ArgumentParser {
 public:
  ArgumentParser(const std::vector<FlagGroup>& groups, const std::vector<std::string>& arguments)
      : groups_(groups), arguments_(arguments) {}

  base::Result<ParsedArguments> Run() {
    while (at_ < arguments_.size()) {
      const std::string& argument = arguments_[at_];
      if (argument.size() < 2 || argument[0] != '-' || argument == "--") break;
      ++at_;
      TRANCHE_TRY(Take(argument));
    }
    return std::move(out_);
  }

 private:
  base::Status Take(const std::string& argument) {
    std::string_view name(argument);
    name.remove_prefix(name[1] == '-' ? 2 : 1);
    if (name.empty() || name[0] == '-' || name[0] == '=') {
      return Invalid("bad flag syntax: " + argument);
    }
    std::optional<std::string> value;
    if (const std::size_t equals = name.find('='); equals != std::string_view::npos) {
      value = std::string(name.substr(equals + 1));
      name = name.substr(0, equals);
    }
    if (name == "help" || name == "h") return TakeSwitch(name, value, out_.help);
    if (name == "version" || name == "v") return TakeSwitch(name, value, out_.version);
    const auto known = FindFlag(groups_, name);
    if (!known) return Invalid(fmt::format("flag provided but not defined: -{}", name));
    if (known->flag->kind == FlagKind::kBool) {
      bool on = true;
      TRANCHE_TRY(TakeSwitch(name, value, on));
      return Store(*known, {on ? "true" : "false"});
    }
    if (!value) {
      if (at_ >= arguments_.size()) {
        return Invalid(fmt::format("flag needs an argument: -{}", name));
      }
      value = arguments_[at_++];
    }
    return TakeValue(*known, *value);
  }

  static base::Status TakeSwitch(std::string_view name, const std::optional<std::string>& value,
                                 bool& out) {
    out = true;
    if (!value) return base::Status::Ok();
    const auto parsed = ParseGoBool(*value);
    if (!parsed) {
      return Invalid(
          fmt::format("invalid boolean value \"{}\" for -{}: parse error", *value, name));
    }
    out = *parsed;
    return base::Status::Ok();
  }

  base::Status TakeValue(const Known& known, const std::string& value) {
    if (known.flag->kind == FlagKind::kText) return Store(known, {value});
    std::vector<std::string> items = SplitList(value);
    for (const std::string& item : items) {
      if (known.flag->kind != FlagKind::kIntList || ParseGoInt(item)) continue;
      return Invalid(fmt::format("invalid value \"{}\" for flag -{}: {}", value, known.spelling,
                                 NotAnInt(item)));
    }
    return Store(known, std::move(items));
  }

  base::Status Store(const Known& known, std::vector<std::string> values) {
    const std::string origin = "--" + std::string(known.spelling);
    for (Override& before : out_.overrides) {
      if (before.flag != known.flag->name) continue;
      if (before.origin != origin) {
        return Invalid(fmt::format("Cannot use two forms of the same flag: {} {}", known.spelling,
                                   before.origin.substr(2)));
      }
      const bool list =
          known.flag->kind == FlagKind::kTextList || known.flag->kind == FlagKind::kIntList;
      if (!list) before.values.clear();
      before.values.insert(before.values.end(), values.begin(), values.end());
      return base::Status::Ok();
    }
    out_.overrides.push_back({known.flag->name, std::move(values), origin});
    return base::Status::Ok();
  }

  const std::vector<FlagGroup>& groups_;
  const std::vector<std::string>& arguments_;
  std::size_t at_ = 0;
  ParsedArguments out_;
};

}  // namespace

FlagGroup UpstreamPluginFlags() {
  using K = FlagKind;
  return {
      "Flags of NVIDIA's device plugin",
      {
          {"mig-strategy",
           {},
           {"MIG_STRATEGY"},
           K::kText,
           "none",
           "how MIG devices are advertised: none, single or mixed"},
          {"fail-on-init-error",
           {},
           {"FAIL_ON_INIT_ERROR"},
           K::kBool,
           "true",
           "exit when there is no working driver; false: wait for one"},
          {"driver-root",
           {"nvidia-driver-root"},
           {"NVIDIA_DRIVER_ROOT"},
           K::kText,
           "/",
           "where the driver is installed on the host"},
          {"dev-root",
           {"nvidia-dev-root"},
           {"NVIDIA_DEV_ROOT"},
           K::kText,
           "the driver root",
           "the host directory whose /dev holds the device nodes"},
          {"pass-device-specs",
           {},
           {"PASS_DEVICE_SPECS"},
           K::kBool,
           "false",
           "name the device nodes in each answer to the kubelet"},
          {"device-list-strategy",
           {},
           {"DEVICE_LIST_STRATEGY"},
           K::kTextList,
           "envvar",
           "how a container is told its devices: envvar, volume-mounts, cdi-annotations, cdi-cri; "
           "several, split by commas"},
          {"device-id-strategy",
           {},
           {"DEVICE_ID_STRATEGY"},
           K::kText,
           "uuid",
           "what a container is told: uuid or index"},
          {"gdrcopy-enabled",
           {},
           {"GDRCOPY_ENABLED"},
           K::kBool,
           "false",
           "give containers GDRCopy"},
          {"gds-enabled",
           {},
           {"GDS_ENABLED"},
           K::kBool,
           "false",
           "give containers GPUDirect Storage"},
          {"mofed-enabled",
           {},
           {"MOFED_ENABLED"},
           K::kBool,
           "false",
           "give containers the InfiniBand devices"},
          {"cdi-annotation-prefix",
           {},
           {"CDI_ANNOTATION_PREFIX"},
           K::kText,
           "cdi.k8s.io/",
           "what the keys of CDI annotations start with"},
          {"nvidia-cdi-hook-path",
           {"nvidia-ctk-path"},
           {"NVIDIA_CDI_HOOK_PATH", "NVIDIA_CTK_PATH"},
           K::kText,
           "/usr/bin/nvidia-ctk",
           "the hook program of the CDI spec, a host path"},
          {"driver-root-ctr-path",
           {"container-driver-root"},
           {"DRIVER_ROOT_CTR_PATH", "CONTAINER_DRIVER_ROOT"},
           K::kText,
           "/driver-root",
           "where the driver root is mounted for this program"},
          {"mps-root", {}, {"MPS_ROOT"}, K::kText, "", "accepted; MPS is not supported"},
          {"shared-devices-allocation-policy",
           {},
           {"SHARED_DEVICES_ALLOCATION_POLICY"},
           K::kText,
           "distributed",
           "which replicas are preferred: distributed or packed"},
          {"device-discovery-strategy",
           {},
           {"DEVICE_DISCOVERY_STRATEGY"},
           K::kText,
           "auto",
           "how devices are found: auto or nvml"},
          {"imex-channel-ids",
           {},
           {"IMEX_CHANNEL_IDS"},
           K::kIntList,
           "",
           "IMEX channels to inject: 0 or none"},
          {"imex-required",
           {},
           {"IMEX_REQUIRED"},
           K::kBool,
           "false",
           "fail where the IMEX channels are absent"},
          {"kubelet-socket",
           {},
           {"KUBELET_SOCKET"},
           K::kText,
           "/var/lib/kubelet/device-plugins/kubelet.sock",
           "where the kubelet takes registrations; empty: do not register"},
          {"config-file", {}, {"CONFIG_FILE"}, K::kText, "", "the sharing config, YAML or JSON"},
          {"cdi-feature-flags",
           {},
           {"CDI_FEATURE_FLAGS"},
           K::kTextList,
           "",
           "features of the CDI spec to turn on"},
          {"cdi-disable-hooks",
           {},
           {"CDI_DISABLE_HOOKS"},
           K::kTextList,
           "",
           "hooks to leave out of the CDI spec"},
      }};
}

FlagGroup UpstreamFeatureDiscoveryFlags() {
  using K = FlagKind;
  return {
      "Flags of NVIDIA's gpu-feature-discovery",
      {
          {"mig-strategy",
           {},
           {"GFD_MIG_STRATEGY", "MIG_STRATEGY"},
           K::kText,
           "none",
           "how MIG devices are advertised: none, single or mixed"},
          {"fail-on-init-error",
           {},
           {"GFD_FAIL_ON_INIT_ERROR", "FAIL_ON_INIT_ERROR"},
           K::kBool,
           "true",
           "exit when there is no working driver; false: wait for one"},
          {"oneshot", {}, {"GFD_ONESHOT"}, K::kBool, "false", "label once and exit"},
          {"no-timestamp",
           {},
           {"GFD_NO_TIMESTAMP"},
           K::kBool,
           "false",
           "leave the label nvidia.com/gfd.timestamp out"},
          {"sleep-interval",
           {},
           {"GFD_SLEEP_INTERVAL"},
           K::kText,
           "60s",
           "the longest time between two looks at the node; infinite: look when something happens"},
          {"output-file",
           {"output", "o"},
           {"GFD_OUTPUT_FILE"},
           K::kText,
           "/etc/kubernetes/node-feature-discovery/features.d/gfd",
           "where labels are written without the NodeFeature API; empty: standard output"},
          {"machine-type-file",
           {},
           {"GFD_MACHINE_TYPE_FILE"},
           K::kText,
           "/sys/class/dmi/id/product_name",
           "the file that names the machine's type"},
          {"config-file",
           {},
           {"GFD_CONFIG_FILE", "CONFIG_FILE"},
           K::kText,
           "",
           "the sharing config, YAML or JSON"},
          {"use-node-feature-api",
           {},
           {"GFD_USE_NODE_FEATURE_API", "USE_NODE_FEATURE_API"},
           K::kBool,
           "true",
           "publish labels through Node Feature Discovery's NodeFeature object"},
          {"device-discovery-strategy",
           {},
           {"DEVICE_DISCOVERY_STRATEGY"},
           K::kText,
           "auto",
           "how devices are found: auto or nvml"},
          {"driver-root-ctr-path",
           {"container-driver-root"},
           {"DRIVER_ROOT_CTR_PATH", "CONTAINER_DRIVER_ROOT"},
           K::kText,
           "/driver-root",
           "where the driver root is mounted for this program"},
          {"kubeconfig",
           {},
           {"KUBECONFIG"},
           K::kText,
           "",
           "how to reach the API server; empty: by the pod's service account"},
          {"kube-api-qps",
           {},
           {"KUBE_API_QPS"},
           K::kText,
           "5",
           "requests a second to the API server"},
          {"kube-api-burst",
           {},
           {"KUBE_API_BURST"},
           K::kText,
           "10",
           "requests to the API server at one time"},
          {"namespace",
           {},
           {"NAMESPACE"},
           K::kText,
           "default",
           "namespace of the NodeFeature object"},
          {"node-name", {}, {"NODE_NAME"}, K::kText, "", "the node that is labelled"},
          {"pod-name",
           {},
           {"POD_NAME"},
           K::kText,
           "",
           "this pod, whose end takes the NodeFeature object along"},
      }};
}

base::Result<std::vector<Override>> EnvironmentOverrides(const std::vector<FlagGroup>& groups,
                                                         const EnvironmentLookup& lookup) {
  std::vector<Override> out;
  for (const FlagGroup& group : groups) {
    for (const FlagSpec& flag : group.flags) {
      auto given = FromEnvironment(flag, lookup);
      if (!given.ok()) return given.status();
      if (*given) out.push_back(**std::move(given));
    }
  }
  return out;
}

base::Result<ParsedArguments> ParseArguments(const std::vector<FlagGroup>& groups,
                                             const std::vector<std::string>& arguments) {
  return ArgumentParser(groups, arguments).Run();
}

std::optional<std::string> FlagValue(std::string_view flag,
                                     const std::vector<Override>& environment,
                                     const std::vector<Override>& command_line) {
  for (const auto* overrides : {&command_line, &environment}) {
    for (const Override& given : *overrides) {
      if (given.flag == flag) return given.values.empty() ? "" : given.values.back();
    }
  }
  return std::nullopt;
}

std::string FormatFlags(const std::vector<FlagGroup>& groups) {
  std::string out;
  for (const FlagGroup& group : groups) {
    out += fmt::format("{}{}:\n", out.empty() ? "" : "\n", group.title);
    for (const FlagSpec& flag : group.flags) {
      std::string names = "--" + flag.name;
      for (const std::string& alias : flag.aliases) names += ", --" + alias;
      out += fmt::format("  {}{}\n      {}", names,
                         flag.kind == FlagKind::kBool ? "[=BOOL]" : " VALUE", flag.help);
      if (!flag.default_text.empty()) out += fmt::format(" (default: {})", flag.default_text);
      if (!flag.environment.empty()) {
        out += fmt::format(" [{}]", fmt::join(flag.environment, ", "));
      }
      out += '\n';
    }
  }
  return out;
}

}  // namespace tranche::config
