#include "cli/kubectl/facts.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>
#include <tuple>
#include <utility>

#include "apiserver/client.h"
#include "base/json_read.h"

namespace tranche::cli::kubectl {

namespace {

using base::Json;

constexpr std::string_view kDomain = "nvidia.com/";

void Add(const Counts& more, Counts& to) {
  for (const auto& [name, count] : more) to[name] += count;
}

void RaiseTo(const Counts& least, Counts& counts) {
  for (const auto& [name, count] : least) counts[name] = std::max(counts[name], count);
}

Counts CountsOf(const Json& quantities) {
  Counts counts;
  if (!quantities.is_object()) return counts;
  for (const auto& [name, value] : quantities.as_object()) {
    if (!name.starts_with(kDomain) || !value.is_string()) continue;
    if (const auto count = WholeQuantity(value.as_string())) counts[name] = *count;
  }
  return counts;
}

// For extended resources a limit is the request too.
Counts ContainerRequests(const Json& container) {
  Counts counts = CountsOf(base::ValueAt(container, {"resources", "limits"}));
  RaiseTo(CountsOf(base::ValueAt(container, {"resources", "requests"})), counts);
  return counts;
}

bool IsReady(const Json& object) {
  return std::ranges::any_of(base::ItemsAt(object, {"status", "conditions"}),
                             [](const Json& condition) {
                               return base::TextAt(condition, "type") == "Ready" &&
                                      base::TextAt(condition, "status") == "True";
                             });
}

std::optional<int> Number(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

// "7" and "20gb" of "1c.7g.20gb": the slices before the letter.
unsigned Slices(const std::string& profile, char letter) {
  for (std::size_t at = 0; at < profile.size();) {
    const std::size_t dot = std::min(profile.find('.', at), profile.size());
    if (dot > at + 1 && profile[dot - 1] == letter) {
      const auto number = Number(std::string_view(profile).substr(at, dot - 1 - at));
      if (number) return static_cast<unsigned>(*number);
    }
    at = dot + 1;
  }
  return 0;
}

gpu::MigDevice MigOf(const Json& device, int index) {
  gpu::MigDevice mig;
  mig.uuid = base::TextAt(device, "uuid");
  mig.index = index;
  mig.profile = base::TextAt(device, "name");
  mig.gpu_slices = Slices(mig.profile, 'g');
  const unsigned compute = Slices(mig.profile, 'c');
  mig.compute_slices = compute == 0 ? mig.gpu_slices : compute;
  mig.memory_bytes = static_cast<std::uint64_t>(base::IntAt(device, "memoryBytes").value_or(0));
  return mig;
}

}  // namespace

std::optional<std::int64_t> WholeQuantity(const std::string& text) {
  // https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
  static constexpr std::array<std::pair<std::string_view, std::int64_t>, 5> kSuffixes{
      {{"", 1}, {"k", 1'000}, {"M", 1'000'000}, {"Ki", 1 << 10U}, {"Mi", 1 << 20U}}};
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || value < 0 || value > 1'000'000'000) return std::nullopt;
  const std::string_view suffix(end, static_cast<std::size_t>(text.data() + text.size() - end));
  for (const auto& [known, factor] : kSuffixes) {
    if (suffix == known) return value * factor;
  }
  return std::nullopt;
}

Counts NodeCounts(const Json& node, const std::string& field) {
  return CountsOf(base::ValueAt(node, {"status", field}));
}

Counts PodRequests(const Json& pod) {
  const std::string phase = base::TextAt(pod, {"status", "phase"});
  if (phase == "Succeeded" || phase == "Failed") return {};
  const Json& spec = base::ValueAt(pod, "spec");
  Counts side_cars;
  Counts greatest;
  for (const Json& container : base::ItemsAt(spec, "initContainers")) {
    Counts with_earlier = ContainerRequests(container);
    if (base::TextAt(container, "restartPolicy") == "Always") {
      Add(with_earlier, side_cars);
      RaiseTo(side_cars, greatest);
    } else {
      Add(side_cars, with_earlier);
      RaiseTo(with_earlier, greatest);
    }
  }
  Counts together = side_cars;
  for (const Json& container : base::ItemsAt(spec, "containers")) {
    Add(ContainerRequests(container), together);
  }
  RaiseTo(greatest, together);
  std::erase_if(together, [](const auto& entry) { return entry.second == 0; });
  return together;
}

std::map<std::string, PluginPod> PluginPods(const Json::Array& pods, std::int64_t port) {
  std::map<std::string, PluginPod> best;
  const auto rank = [](const PluginPod& pod) {
    return std::tuple(!pod.ending, pod.ready, pod.created, pod.name);
  };
  for (const Json& object : pods) {
    const Json& metadata = base::ValueAt(object, "metadata");
    const Json& spec = base::ValueAt(object, "spec");
    PluginPod pod{.space = base::TextAt(metadata, "namespace"),
                  .name = base::TextAt(metadata, "name"),
                  .node = base::TextAt(spec, "nodeName"),
                  .ready = IsReady(object),
                  .ending = !base::TextAt(metadata, "deletionTimestamp").empty(),
                  .created = base::TextAt(metadata, "creationTimestamp"),
                  .config_maps = {},
                  .beside = {},
                  .port = port};
    const std::string phase = base::TextAt(object, {"status", "phase"});
    if (phase == "Succeeded" || phase == "Failed") continue;
    if (pod.node.empty() || pod.name.empty()) continue;
    for (const Json& volume : base::ItemsAt(spec, "volumes")) {
      std::string name = base::TextAt(volume, {"configMap", "name"});
      if (!name.empty()) pod.config_maps.push_back(std::move(name));
    }
    for (const Json& container : base::ItemsAt(spec, "containers")) {
      for (const Json& one : base::ItemsAt(container, "ports")) {
        if (base::TextAt(one, "name") != "metrics") continue;
        pod.port = base::IntAt(one, "containerPort").value_or(pod.port);
      }
    }
    auto [it, made] = best.try_emplace(pod.node, pod);
    if (made) continue;
    if (rank(pod) > rank(it->second)) std::swap(pod, it->second);
    it->second.beside.insert(it->second.beside.end(), pod.beside.begin(), pod.beside.end());
    if (!pod.ending) it->second.beside.push_back(pod.name);
  }
  return best;
}

std::string AgentPath(const PluginPod& pod, const std::string& path) {
  return "/api/v1/namespaces/" + apiserver::EscapeSegment(pod.space) + "/pods/" +
         apiserver::EscapeSegment(pod.name) + ":" + std::to_string(pod.port) + "/proxy" + path;
}

base::Result<gpu::Inventory> AgentInventory(const Json& agent_status) {
  if (!base::ValueAt(agent_status, "gpus").is_array()) {
    return base::Status(base::Code::kFailedPrecondition,
                        "the agent there does not report its GPUs");
  }
  gpu::Inventory inventory;
  inventory.driver_version = base::TextAt(agent_status, {"driver", "version"});
  for (const Json& device : base::ItemsAt(agent_status, "gpus")) {
    if (!base::TextAt(device, "error").empty()) continue;  // not advertised
    const std::string index = base::TextAt(device, "index");
    const std::size_t colon = index.find(':');
    const auto number = Number(std::string_view(index).substr(0, colon));
    if (!number) continue;
    if (colon == std::string::npos) {
      gpu::Gpu gpu;
      gpu.uuid = base::TextAt(device, "uuid");
      gpu.index = static_cast<unsigned>(*number);
      gpu.minor = gpu.index;
      gpu.name = base::TextAt(device, "name");
      gpu.memory_bytes = static_cast<std::uint64_t>(base::IntAt(device, "memoryBytes").value_or(0));
      inventory.gpus.push_back(std::move(gpu));
      continue;
    }
    const auto mig_index = Number(std::string_view(index).substr(colon + 1));
    // The agent names a GPU before its MIG devices.
    if (!mig_index || inventory.gpus.empty()) continue;
    gpu::Gpu& parent = inventory.gpus.back();
    if (parent.index != static_cast<unsigned>(*number)) continue;
    parent.mig_capable = true;
    parent.mig_enabled = true;
    parent.mig_devices.push_back(MigOf(device, *mig_index));
  }
  return inventory;
}

}  // namespace tranche::cli::kubectl
