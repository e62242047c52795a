#include "config/file_model.h"

#include <fmt/format.h>

#include <array>
#include <limits>

#include "config/units.h"

namespace tranche::config {
namespace {

struct TextTarget {
  std::string_view flag;
  std::optional<std::string>& (*of)(FileFlags&);
};
struct BoolTarget {
  std::string_view flag;
  std::optional<bool>& (*of)(FileFlags&);
};

using Text = std::optional<std::string>;
using Bool = std::optional<bool>;

constexpr std::array<TextTarget, 12> kTexts{{
    {"mig-strategy", [](FileFlags& f) -> Text& { return f.mig_strategy; }},
    {"mps-root", [](FileFlags& f) -> Text& { return f.mps_root; }},
    {"driver-root", [](FileFlags& f) -> Text& { return f.nvidia_driver_root; }},
    {"dev-root", [](FileFlags& f) -> Text& { return f.nvidia_dev_root; }},
    {"device-discovery-strategy",
     [](FileFlags& f) -> Text& { return f.device_discovery_strategy; }},
    {"device-id-strategy", [](FileFlags& f) -> Text& { return f.plugin.device_id_strategy; }},
    {"cdi-annotation-prefix", [](FileFlags& f) -> Text& { return f.plugin.cdi_annotation_prefix; }},
    {"nvidia-cdi-hook-path", [](FileFlags& f) -> Text& { return f.plugin.nvidia_ctk_path; }},
    {"driver-root-ctr-path", [](FileFlags& f) -> Text& { return f.plugin.container_driver_root; }},
    {"shared-devices-allocation-policy",
     [](FileFlags& f) -> Text& { return f.plugin.shared_devices_allocation_policy; }},
    {"output-file", [](FileFlags& f) -> Text& { return f.gfd.output_file; }},
    {"machine-type-file", [](FileFlags& f) -> Text& { return f.gfd.machine_type_file; }},
}};

constexpr std::array<BoolTarget, 8> kBools{{
    {"fail-on-init-error", [](FileFlags& f) -> Bool& { return f.fail_on_init_error; }},
    {"gdrcopy-enabled", [](FileFlags& f) -> Bool& { return f.gdrcopy_enabled; }},
    {"gds-enabled", [](FileFlags& f) -> Bool& { return f.gds_enabled; }},
    {"mofed-enabled", [](FileFlags& f) -> Bool& { return f.mofed_enabled; }},
    {"pass-device-specs", [](FileFlags& f) -> Bool& { return f.plugin.pass_device_specs; }},
    {"oneshot", [](FileFlags& f) -> Bool& { return f.gfd.oneshot; }},
    {"no-timestamp", [](FileFlags& f) -> Bool& { return f.gfd.no_timestamp; }},
    {"use-node-feature-api", [](FileFlags& f) -> Bool& { return f.use_node_feature_api; }},
}};

base::Status NotA(std::string_view kind, std::string_view value, const Override& given) {
  return {base::Code::kInvalidArgument,
          fmt::format("could not parse \"{}\" as {} value from {} for flag {}", value, kind,
                      given.origin, given.flag)};
}

std::string Last(const Override& given) { return given.values.empty() ? "" : given.values.back(); }

base::Result<bool> AsBool(const Override& given) {
  const std::string value = Last(given);
  if (value.empty()) return false;  // present but empty
  if (const auto parsed = ParseGoBool(value)) return *parsed;
  return NotA("bool", value, given);
}

base::Status ApplyImex(const Override& given, FileModel& model) {
  if (given.flag == "imex-required") {
    auto required = AsBool(given);
    if (!required.ok()) return required.status();
    model.imex_required = *required;
    return base::Status::Ok();
  }
  std::vector<std::int64_t> ids;
  for (const std::string& value : given.values) {
    const auto id = ParseGoInt(value);
    if (!id) return NotA("int slice", value, given);
    ids.push_back(*id);
  }
  model.imex_channel_ids = std::move(ids);
  return base::Status::Ok();
}

base::Status ApplySleepInterval(const Override& given, FileGfd& gfd) {
  gfd.sleep_interval_bare = false;
  const std::string value = Last(given);
  if (value == "infinite") {
    gfd.sleep_interval = std::numeric_limits<std::int64_t>::max();
    return base::Status::Ok();
  }
  const auto duration = ParseGoDuration(value);
  if (!duration.ok()) return NotA("duration", value, given);
  gfd.sleep_interval = duration->count();
  return base::Status::Ok();
}

}  // namespace

base::Status ApplyOverride(const Override& given, FileModel& model) {
  FileFlags& flags = model.flags;
  model.marks.erase(given.flag);
  model.origins[given.flag] = given.origin;
  for (const TextTarget& target : kTexts) {
    if (target.flag == given.flag) target.of(flags) = Last(given);
  }
  for (const BoolTarget& target : kBools) {
    if (target.flag != given.flag) continue;
    auto value = AsBool(given);
    if (!value.ok()) return value.status();
    target.of(flags) = *value;
  }
  if (given.flag == "device-list-strategy") {
    flags.plugin.device_list_strategy = given.values;
  } else if (given.flag == "cdi-feature-flags") {
    flags.cdi_feature_flags = given.values;
  } else if (given.flag == "cdi-disable-hooks") {
    flags.cdi_disable_hooks = given.values;
  } else if (given.flag == "imex-channel-ids" || given.flag == "imex-required") {
    return ApplyImex(given, model);
  } else if (given.flag == "sleep-interval") {
    return ApplySleepInterval(given, flags.gfd);
  }
  return base::Status::Ok();
}

}  // namespace tranche::config
