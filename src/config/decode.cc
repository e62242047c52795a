#include "config/decode.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "config/decode_sharing.h"
#include "config/decoder.h"
#include "config/units.h"
#include "config/yaml/scalar.h"

namespace tranche::config {
namespace {

using yaml::CompactJson;
using yaml::KeyText;

constexpr std::string_view kUnmarshal = "unmarshal error: ";
constexpr std::string_view kDecoding = "error unmarshaling JSON: while decoding JSON: ";

class ConfigDecoder {
 public:
  explicit ConfigDecoder(FileModel& model) : model_(model) {}

  void Root(const Node& node) {
    decoder_.DecodeStruct(node, {"v1.Config", "Config"},
                          {{"version", [this](const Node& value) { Version(value); }},
                           {"flags", [this](const Node& value) { Flags(value); }},
                           {"resources", [this](const Node& value) { Resources(value); }},
                           {"sharing", [this](const Node& value) { Sharing(value); }},
                           {"imex", [this](const Node& value) { ImexKey(value); }}});
  }

  Decoder& decoder() { return decoder_; }

 private:
  Decoder::Field BoolField(std::string_view name, std::string flag, std::optional<bool>& out) {
    return {name, [this, flag = std::move(flag), &out](const Node& value) {
              model_.marks[flag] = value.mark;
              decoder_.Bool(value, out);
            }};
  }
  Decoder::Field StringField(std::string_view name, std::string flag,
                             std::optional<std::string>& out) {
    return {name, [this, flag = std::move(flag), &out](const Node& value) {
              model_.marks[flag] = value.mark;
              decoder_.String(value, out);
            }};
  }

  // The one string that takes a number or a boolean as text.
  void Version(const Node& value) {
    if (value.is_null()) return;
    if (value.is_list() || value.is_map()) {
      decoder_.TypeError(value, "string");
      return;
    }
    model_.marks["version"] = value.mark;
    const bool finite = value.kind != Node::Kind::kFloat || std::isfinite(value.number);
    model_.version = finite ? KeyText(value).value_or(CompactJson(value)) : CompactJson(value);
  }

  void Flags(const Node& node) {
    FileFlags& flags = model_.flags;
    decoder_.DecodeStruct(
        node, {"v1.Flags", "Flags"},
        {StringField("migStrategy", "mig-strategy", flags.mig_strategy),
         BoolField("failOnInitError", "fail-on-init-error", flags.fail_on_init_error),
         StringField("mpsRoot", "mps-root", flags.mps_root),
         StringField("nvidiaDriverRoot", "driver-root", flags.nvidia_driver_root),
         StringField("nvidiaDevRoot", "dev-root", flags.nvidia_dev_root),
         BoolField("gdrcopyEnabled", "gdrcopy-enabled", flags.gdrcopy_enabled),
         BoolField("gdsEnabled", "gds-enabled", flags.gds_enabled),
         BoolField("mofedEnabled", "mofed-enabled", flags.mofed_enabled),
         BoolField("useNodeFeatureAPI", "use-node-feature-api", flags.use_node_feature_api),
         StringField("deviceDiscoveryStrategy", "device-discovery-strategy",
                     flags.device_discovery_strategy),
         {"plugin", [this](const Node& value) { Plugin(value); }},
         {"gfd", [this](const Node& value) { Gfd(value); }}});
  }

  void Plugin(const Node& node) {
    FilePlugin& plugin = model_.flags.plugin;
    if (node.is_null()) {
      plugin = FilePlugin();
      return;
    }
    decoder_.DecodeStruct(
        node, {"v1.PluginCommandLineFlags", "PluginCommandLineFlags"},
        {BoolField("passDeviceSpecs", "pass-device-specs", plugin.pass_device_specs),
         {"deviceListStrategy", [this](const Node& value) { DeviceListStrategy(value); }},
         StringField("deviceIDStrategy", "device-id-strategy", plugin.device_id_strategy),
         StringField("cdiAnnotationPrefix", "cdi-annotation-prefix", plugin.cdi_annotation_prefix),
         StringField("nvidiaCTKPath", "nvidia-cdi-hook-path", plugin.nvidia_ctk_path),
         StringField("containerDriverRoot", "driver-root-ctr-path", plugin.container_driver_root),
         StringField("sharedDevicesAllocationPolicy", "shared-devices-allocation-policy",
                     plugin.shared_devices_allocation_policy)});
  }

  // One string or a list of them; a string is not split.
  void DeviceListStrategy(const Node& value) {
    auto& out = model_.flags.plugin.device_list_strategy;
    model_.marks["device-list-strategy"] = value.mark;
    if (value.is_null()) {
      out.reset();
      return;
    }
    if (value.is_string()) {
      out = {value.text};
      return;
    }
    std::vector<std::string> words;
    std::size_t bytes = 0;  // aliases may name one text many times
    bool all_strings = value.is_list();
    for (const Node* item : value.items) {
      if (!item->is_string() && !item->is_null()) all_strings = false;
      words.push_back(item->is_string() ? item->text : "");
      bytes += words.back().size();
      if (bytes > kMaxConfigBytes) {
        decoder_.Stop(value, "deviceListStrategy has words of more bytes than a config may have");
        return;
      }
    }
    if (!all_strings) {
      decoder_.Stop(value, "invalid deviceListStrategy: " + CompactJson(value));
      return;
    }
    out = std::move(words);
  }

  void Gfd(const Node& node) {
    FileGfd& gfd = model_.flags.gfd;
    if (node.is_null()) {
      gfd = FileGfd();
      return;
    }
    decoder_.DecodeStruct(
        node, {"v1.GFDCommandLineFlags", "GFDCommandLineFlags"},
        {BoolField("oneshot", "oneshot", gfd.oneshot),
         BoolField("noTimestamp", "no-timestamp", gfd.no_timestamp),
         {"sleepInterval", [this](const Node& value) { SleepInterval(value); }},
         StringField("outputFile", "output-file", gfd.output_file),
         StringField("machineTypeFile", "machine-type-file", gfd.machine_type_file)});
  }

  // A Go duration, "infinite", or a bare number of nanoseconds.
  void SleepInterval(const Node& value) {
    FileGfd& gfd = model_.flags.gfd;
    model_.marks["sleep-interval"] = value.mark;
    gfd.sleep_interval_bare = false;
    if (value.is_null()) {
      gfd.sleep_interval.reset();
    } else if (value.is_string() && value.text == "infinite") {
      gfd.sleep_interval = std::numeric_limits<std::int64_t>::max();
    } else if (value.is_string()) {
      auto duration = ParseGoDuration(value.text);
      if (!duration.ok()) {
        decoder_.Stop(value, duration.status().message());
        return;
      }
      gfd.sleep_interval = duration->count();
    } else if (value.kind == Node::Kind::kInt) {
      gfd.sleep_interval = value.integer;
      gfd.sleep_interval_bare = true;
    } else if (value.kind == Node::Kind::kFloat || value.kind == Node::Kind::kUnsigned) {
      constexpr double kMost = 9.2e18;  // below what int64 holds
      const double number = value.kind == Node::Kind::kFloat
                                ? value.number
                                : static_cast<double>(value.unsigned_integer);
      gfd.sleep_interval = number > kMost    ? std::numeric_limits<std::int64_t>::max()
                           : number < -kMost ? std::numeric_limits<std::int64_t>::min()
                                             : static_cast<std::int64_t>(number);
      gfd.sleep_interval_bare = true;
    } else {
      decoder_.Stop(value, "invalid duration");
    }
  }

  void Resources(const Node& node) {
    decoder_.DecodeStruct(node, {"v1.Resources", "Resources"},
                          {{"gpus", [this](const Node& value) { Rules(value); }},
                           {"mig", [this](const Node& value) { Rules(value); }}});
  }

  void Rules(const Node& value) {
    if (DecodeResourceRules(value, decoder_)) model_.customises_resources = true;
  }

  void Sharing(const Node& node) {
    decoder_.DecodeStruct(
        node, {"v1.Sharing", "Sharing"},
        {{"timeSlicing",
          [this](const Node& value) { DecodeSharing(value, decoder_, model_.time_slicing); }},
         {"mps", [this](const Node& value) {
            if (value.is_null()) {
              model_.mps.reset();
              return;
            }
            if (!model_.mps) model_.mps.emplace();
            DecodeSharing(value, decoder_, *model_.mps);
          }}});
  }

  void ImexKey(const Node& node) {
    decoder_.DecodeStruct(node, {"v1.Imex", "Imex"},
                          {{"channelIDs", [this](const Node& value) { ChannelIds(value); }},
                           {"required", [this](const Node& value) {
                              if (value.is_null()) return;
                              std::optional<bool> required;
                              decoder_.Bool(value, required);
                              if (required) model_.imex_required = *required;
                            }}});
  }

  void ChannelIds(const Node& value) {
    model_.marks["imex-channel-ids"] = value.mark;
    if (!value.is_list() && !value.is_null()) {
      decoder_.TypeError(value, "[]int");
      return;
    }
    model_.imex_channel_ids.clear();
    for (const Node* item : value.items) {
      const auto number = GoInteger(*item);
      if (!number && !item->is_null()) decoder_.TypeError(*item, "int");
      model_.imex_channel_ids.push_back(number.value_or(0));
    }
  }

  FileModel& model_;
  Decoder decoder_;
};

}  // namespace

std::optional<Failure> DecodeConfig(const Node& root, Decoded& out) {
  ConfigDecoder decoder(out.model);
  decoder.Root(root);
  auto failure = decoder.decoder().failure();
  if (failure) {
    failure->message = std::string(kUnmarshal) + std::string(kDecoding) + failure->message;
    return failure;
  }
  FileModel& model = out.model;
  if (model.version.empty()) model.version = "v1";
  if (model.version != "v1") {
    return Failure{base::Code::kInvalidArgument, "unknown version: " + model.version,
                   model.marks["version"]};
  }
  DropWhatIsNotHonoured(model, out.not_honoured);
  if (model.mps && !model.mps->fail_requests_greater_than_one) {
    model.mps->fail_requests_greater_than_one = true;
  }
  return std::nullopt;
}

}  // namespace tranche::config
