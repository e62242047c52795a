#include "labels/choice.h"

#include <cstdio>
#include <utility>

namespace tranche::labels {
namespace {

using base::Code;
using base::Status;

void Print(const std::string& text) {
  static_cast<void>(std::fputs(text.c_str(), stdout));
  static_cast<void>(std::fflush(stdout));
}

}  // namespace

Status CheckOutlet(const OutletChoice& choice) {
  if (choice.kind != "none" && choice.kind != "nfd-file" && !choice.NeedsApi()) {
    return {Code::kInvalidArgument,
            "labels go to none, nfd-file, node-feature or node, not to '" + choice.kind + "'"};
  }
  if (choice.NeedsApi() && choice.node.node.empty()) {
    return {Code::kInvalidArgument, "required flag \"node-name\" not set"};
  }
  if (choice.kind == "node-feature" && choice.node.namespace_name.empty()) {
    return {Code::kInvalidArgument, "required flag \"namespace\" not set"};
  }
  return Status::Ok();
}

std::unique_ptr<LabelOutlet> NewOutlet(base::EventLoop& loop, const OutletChoice& choice,
                                       apiserver::ApiClient* api,
                                       LabelOutlet::StateChanged state_changed) {
  if (choice.kind == "nfd-file") {
    return choice.file.empty() ? NewTextOutlet(loop, Print, std::move(state_changed))
                               : NewFileOutlet(loop, choice.file, std::move(state_changed));
  }
  if (!choice.NeedsApi()) return nullptr;
  TRANCHE_CHECK(api != nullptr);
  return choice.kind == "node"
             ? NewNodeLabelOutlet(loop, *api, choice.node.node, std::move(state_changed))
             : NewNodeFeatureOutlet(loop, *api, choice.node, std::move(state_changed));
}

}  // namespace tranche::labels
