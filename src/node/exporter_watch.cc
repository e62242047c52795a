#include "node/exporter_watch.h"

#include <utility>

#include "base/log.h"

namespace tranche::node {

namespace {
constexpr char kExporter[] = "dcgm-exporter";
}

void ExporterWatch::Start() {
  timer_.Start(kLook, [this] { Start(); });
  const bool runs = proc_.AnyNamed(kExporter);
  if (runs != std::exchange(runs_, runs)) {
    base::LogInfo(runs ? "dcgm-exporter runs on this node: its names are left to it"
                       : "dcgm-exporter no longer runs on this node");
  }
}

}  // namespace tranche::node
