#include "sim/kubelet/event.h"

#include <chrono>
#include <utility>

namespace tranche::sim {

base::Json Event::ToJson() const {
  base::Json json = base::Json::MakeObject();
  json.Set("event", kind);
  json.Set("at", std::chrono::duration<double>(at.time_since_epoch()).count());
  if (!resource.empty()) json.Set("resource", resource);
  if (!endpoint.empty()) json.Set("endpoint", endpoint);
  if (kind == "devices") {
    json.Set("total", total);
    json.Set("healthy", healthy);
  }
  if (!pod.empty()) json.Set("pod", pod);
  if (!detail.empty()) json.Set("detail", detail);
  return json;
}

DeviceEvents ToEvents(base::EventLoop& loop, std::function<void(const Event&)> tell) {
  DeviceEvents events;
  events.registered = [&loop, tell](const std::string& resource, const std::string& endpoint) {
    tell({.kind = "registered", .at = loop.Now(), .resource = resource, .endpoint = endpoint});
  };
  events.refused = [&loop, tell](const std::string& resource, const std::string& why) {
    tell({.kind = "registration-refused", .at = loop.Now(), .resource = resource, .detail = why});
  };
  events.devices = [&loop, tell](const std::string& resource, const std::string& endpoint,
                                 std::size_t total, std::size_t healthy) {
    tell({.kind = "devices",
          .at = loop.Now(),
          .resource = resource,
          .endpoint = endpoint,
          .total = static_cast<std::int64_t>(total),
          .healthy = static_cast<std::int64_t>(healthy)});
  };
  events.stream_lost = [&loop, tell = std::move(tell)](const std::string& resource,
                                                       const std::string& endpoint,
                                                       const std::string& why) {
    tell({.kind = "stream-lost",
          .at = loop.Now(),
          .resource = resource,
          .endpoint = endpoint,
          .detail = why});
  };
  return events;
}

}  // namespace tranche::sim
