#include "daemon/event_object.h"

#include <utility>

#include "base/log.h"

namespace tranche::daemon {

using base::Json;

namespace {

constexpr std::size_t kMaxMessage = 1000;

std::string NamespaceOf(const Event& event) {
  return event.pod ? event.pod->pod_namespace : "default";
}

}  // namespace

std::string EventsPath(const Event& event) {
  return "/api/v1/namespaces/" + NamespaceOf(event) + "/events";
}

Json EventObject(const Event& event, const EventOrigin& origin, const std::string& name,
                 const std::string& first_time) {
  Json metadata = Json::MakeObject({{"namespace", NamespaceOf(event)}});
  if (name.empty()) {
    metadata.Set("generateName", "tranche-");
  } else {
    metadata.Set("name", name);
  }
  // The kubelet gives the node's name as its uid, and kubectl looks for that.
  Json about = Json::MakeObject({{"kind", "Node"}, {"name", origin.node}, {"uid", origin.node}});
  if (event.pod) {
    about = Json::MakeObject({{"apiVersion", "v1"},
                              {"kind", "Pod"},
                              {"namespace", event.pod->pod_namespace},
                              {"name", event.pod->name},
                              {"uid", event.pod->uid}});
  }
  return Json::MakeObject(
      {{"apiVersion", "v1"},
       {"kind", "Event"},
       {"metadata", std::move(metadata)},
       {"involvedObject", std::move(about)},
       {"type", std::string(TypeName(event.type))},
       {"reason", event.reason},
       {"message", base::Printable(event.message, kMaxMessage)},
       {"source", Json::MakeObject({{"component", origin.component}, {"host", origin.node}})},
       {"firstTimestamp", first_time},
       {"lastTimestamp", event.wall_time},
       {"count", event.count}});
}

}  // namespace tranche::daemon
