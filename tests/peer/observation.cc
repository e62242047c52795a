#include "observation.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/file.h"
#include "kubelet/proto/deviceplugin.pb.h"

namespace tranche::peer {

namespace {

using base::Json;
using base::Result;
using base::Status;

constexpr base::Duration kAnswerLimit = std::chrono::seconds(20);
constexpr char kUnknownId[] = "GPU-00000000-0000-4000-8000-000000000000";

Json ToJson(const std::vector<std::string>& texts) {
  Json array = Json::MakeArray();
  for (const std::string& text : texts) array.Append(text);
  return array;
}

Json ToJson(const std::map<std::string, std::string>& texts) {
  Json object = Json::MakeObject();
  for (const auto& [name, value] : texts) object.Set(name, value);
  return object;
}

Json ErrorJson(const Status& status) {
  Json object = Json::MakeObject();
  object.Set("error", sim::GoErrorText(status));
  return object;
}

Json ToJson(const kubelet::ContainerAnswer& answer) {
  Json mounts = Json::MakeArray();
  for (const kubelet::Mount& mount : answer.mounts) {
    mounts.Append(mount.host_path + " at " + mount.container_path +
                  (mount.read_only ? " read-only" : ""));
  }
  Json devices = Json::MakeArray();
  for (const kubelet::DeviceSpec& device : answer.devices) {
    devices.Append(device.host_path + " at " + device.container_path + " " + device.permissions);
  }
  Json object = Json::MakeObject();
  object.Set("env", ToJson(answer.env));
  object.Set("mounts", std::move(mounts));
  object.Set("devices", std::move(devices));
  object.Set("annotations", ToJson(answer.annotations));
  object.Set("cdi", ToJson(answer.cdi_devices));
  return object;
}

// The id of the GPU or MIG device behind a replica's.
std::string DeviceOf(const std::string& id) { return id.substr(0, id.find("::")); }

// Waits for the answer to what `ask` asks.
template <class T>
Result<T> Await(sim::Stage& stage, const std::function<void(sim::PluginClient::Done<T>)>& ask) {
  auto answer = std::make_shared<std::optional<Result<T>>>();
  ask([answer](Result<T> result) { *answer = std::move(result); });
  if (!stage.Until([&] { return answer->has_value(); }, kAnswerLimit)) {
    return Status(base::Code::kDeadlineExceeded, "no answer");
  }
  return std::move(**answer);
}

}  // namespace

Result<std::unique_ptr<Registrations>> Registrations::Start(base::EventLoop& loop) {
  TRANCHE_TRY(base::MakeDirectories(sim::kPluginDirectory));
  auto made = std::make_unique<Registrations>();
  auto server = rpc::Server::Start(
      loop, {.socket_path = sim::kKubeletSocket},
      [seen = made.get()](const std::shared_ptr<rpc::ServerCall>& call) { seen->Answer(*call); },
      [](const std::string&) {});
  if (!server.ok()) return server.status();
  made->server_ = std::move(*server);
  return made;
}

void Registrations::Answer(rpc::ServerCall& call) {
  v1beta1::RegisterRequest request;
  if (call.method() != "/v1beta1.Registration/Register" ||
      !request.ParseFromString(call.request())) {
    return call.Finish({base::Code::kUnimplemented, "only registrations"}, "");
  }
  seen_.push_back({request.version(), request.endpoint(), request.resource_name(),
                   request.options().pre_start_required(),
                   request.options().get_preferred_allocation_available()});
  call.Finish(Status::Ok(), "");
}

Endpoint::Endpoint(sim::Stage& stage, SeenRegistration registration)
    : stage_(stage),
      registration_(std::move(registration)),
      client_(stage.loop(), registration_.resource,
              base::JoinPath(sim::kPluginDirectory, registration_.endpoint)) {}

Status Endpoint::Open() {
  std::optional<Status> dialed;
  client_.Dial([&](const Status& status) { dialed = status; });
  stage_.Until([&] { return dialed.has_value(); }, kAnswerLimit);
  if (!dialed.has_value()) return {base::Code::kDeadlineExceeded, "not to be dialed"};
  TRANCHE_TRY(*dialed);
  client_.Watch(
      [this](std::vector<kubelet::PluginDevice> devices) {
        devices_ = std::move(devices);
        ++lists_;
      },
      [](const Status&) {});
  if (stage_.Until([&] { return lists_ > 0; }, kAnswerLimit)) return Status::Ok();
  return {base::Code::kDeadlineExceeded, "no device list"};
}

int Endpoint::unhealthy() const {
  return static_cast<int>(std::count_if(devices_.begin(), devices_.end(),
                                        [](const auto& device) { return !device.healthy; }));
}

Json Endpoint::Registered() const {
  Json object = Json::MakeObject();
  object.Set("version", registration_.version);
  object.Set("endpoint", registration_.endpoint);
  object.Set("preStartRequired", registration_.pre_start_required);
  object.Set("preferredAvailable", registration_.preferred_available);
  return object;
}

Json Endpoint::Observe(int times) {
  Json object = Json::MakeObject();
  object.Set("registration", Registered());
  object.Set("options", Options());
  object.Set("devices", Devices());
  object.Set("allocate", Allocations());
  object.Set("preferred", Preferences(times));
  object.Set("preStart", PreStart());
  return object;
}

Json Endpoint::ObserveAgain() {
  Json object = Json::MakeObject();
  object.Set("devices", Devices());
  object.Set("lists", lists_ - 1);
  object.Set("allocate", Allocations());
  return object;
}

Endpoint::Ids Endpoint::AllIds() const {
  Ids ids;
  for (const kubelet::PluginDevice& device : devices_) ids.push_back(device.id);
  std::sort(ids.begin(), ids.end());
  return ids;
}

// By id; the order on the wire is kept apart.
Json Endpoint::Devices() const {
  Json object = Json::MakeObject();
  for (const std::string& id : AllIds()) {
    const auto device = std::find_if(devices_.begin(), devices_.end(),
                                     [&](const auto& other) { return other.id == id; });
    object.Set(id, std::string(device->healthy ? "Healthy" : "Unhealthy") +
                       (device->numa_node.has_value()
                            ? " on NUMA node " + std::to_string(*device->numa_node)
                            : ""));
  }
  return object;
}

Json Endpoint::Allocate(const Ids& ids) {
  const auto answer = Await<sim::AllocateAnswer>(
      stage_, [&](auto done) { client_.Allocate(ids, std::move(done)); });
  return answer.ok() ? ToJson(answer->read) : ErrorJson(answer.status());
}

Json Endpoint::Allocations() {
  const Ids all = AllIds();
  std::vector<std::pair<std::string, Ids>> plan = {
      {"none", {}},
      {"unknown", {kUnknownId}},
      {"all", all},
  };
  if (!all.empty()) {
    const std::string& first = all.front();
    plan.push_back({"one", {first}});
    plan.push_back({"last", {all.back()}});
    plan.push_back({"twice", {first, first}});
    plan.push_back({"one and unknown", {first, kUnknownId}});
    plan.push_back({"unknown replica", {DeviceOf(first) + "::77"}});
    plan.push_back({"not a replica", {DeviceOf(first)}});
    for (std::size_t i = 1; i < all.size(); ++i) {
      const bool same = DeviceOf(all[i]) == DeviceOf(first);
      if (same && i == 1) plan.push_back({"two of one GPU", {first, all[i]}});
      if (!same) {
        plan.push_back({"two GPUs", {first, all[i]}});
        plan.push_back({"two GPUs, backwards", {all[i], first}});
        break;
      }
    }
  }
  Json object = Json::MakeObject();
  for (const auto& [name, ids] : plan) object.Set(name, Allocate(ids));
  return object;
}

std::vector<Endpoint::Preference> Endpoint::PlanPreferences() const {
  const Ids all = AllIds();
  const int count = static_cast<int>(all.size());
  std::vector<Preference> plan;
  for (int size = 0; size <= std::min(count, 9); ++size) {
    plan.push_back({"of all, " + std::to_string(size), all, {}, size});
  }
  plan.push_back({"more than all", all, {}, count + 1});
  if (all.empty()) return plan;
  plan.push_back({"must have the last, 1", all, {all.back()}, 1});
  plan.push_back({"must have more than asked", all, all, 1});
  plan.push_back({"unknown available", {kUnknownId}, {}, 1});
  plan.push_back({"must have an unknown", all, {kUnknownId}, 1});
  plan.push_back({"must have one not available", {all.front()}, {all.back()}, 1});
  if (count < 2) return plan;
  plan.push_back({"must have the last, 2", all, {all.back()}, 2});
  plan.push_back({"must have two, 2", all, {all[0], all[1]}, 2});
  // The first GPU has one replica left, or none.
  Ids uneven;
  for (const std::string& id : all) {
    if (DeviceOf(id) != DeviceOf(all.front())) uneven.push_back(id);
  }
  plan.push_back(
      {"all but the first GPU", uneven, {}, std::min<int>(1, static_cast<int>(uneven.size()))});
  uneven.push_back(all.front());
  for (int size = 1; size <= std::min<int>(4, static_cast<int>(uneven.size())); ++size) {
    plan.push_back({"one left of the first GPU, " + std::to_string(size), uneven, {}, size});
  }
  if (count < 3) return plan;
  plan.push_back({"must have two, 3", all, {all[0], all[1]}, 3});
  plan.push_back({"must have the ends, 3", all, {all.front(), all.back()}, 3});
  return plan;
}

Json Endpoint::Prefer(const Preference& preference) {
  const auto answer = Await<Ids>(stage_, [&](auto done) {
    client_.Preferred(preference.available, preference.must_include, preference.size,
                      std::move(done));
  });
  return answer.ok() ? ToJson(*answer) : ErrorJson(answer.status());
}

// Each different answer once: where devices are equally good, upstream draws lots.
Json Endpoint::Preferences(int times) {
  Json object = Json::MakeObject();
  for (const Preference& preference : PlanPreferences()) {
    Json answers = Json::MakeArray();
    for (int i = 0; i < times; ++i) {
      Json answer = Prefer(preference);
      const auto& known = answers.as_array();
      if (std::find(known.begin(), known.end(), answer) == known.end()) {
        answers.Append(std::move(answer));
      }
    }
    object.Set(preference.name, std::move(answers));
  }
  return object;
}

Json Endpoint::Options() {
  const auto options =
      Await<sim::PluginOptions>(stage_, [&](auto done) { client_.GetOptions(std::move(done)); });
  if (!options.ok()) return ErrorJson(options.status());
  Json object = Json::MakeObject();
  object.Set("preStartRequired", options->pre_start_required);
  object.Set("preferredAvailable", options->preferred_available);
  return object;
}

Json Endpoint::PreStart() {
  const auto done = Await<bool>(stage_, [&](auto answer) {
    client_.PreStart(AllIds(), [answer = std::move(answer)](const Status& status) {
      answer(status.ok() ? Result<bool>(true) : Result<bool>(status));
    });
  });
  return done.ok() ? Json("OK") : ErrorJson(done.status());
}

}  // namespace tranche::peer
