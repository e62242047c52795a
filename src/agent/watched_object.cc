#include "agent/watched_object.h"

#include <algorithm>
#include <utility>

namespace tranche::agent {

using base::Json;
using base::Status;

std::string TextAt(const Json& object, std::initializer_list<std::string_view> path) {
  const Json* at = &object;
  for (const std::string_view key : path) {
    at = at->Find(key);
    if (at == nullptr) return {};
  }
  return at->is_string() ? at->as_string() : std::string();
}

void WatchedObject::Begin(kube::ApiClient& api, std::string collection, const std::string& name,
                          bool metadata_only) {
  name_ = name;
  watch_ = api.Watch({.path = std::move(collection),
                      .field_selector = "metadata.name=" + name,
                      .label_selector = "",
                      .metadata_only = metadata_only},
                     {.listed = [this](const Json::Array& objects) { Listed(objects); },
                      .changed = [this](const Json& object) { Seen(object); },
                      .removed =
                          [this](const Json& object) {
                            if (TextAt(object, {"metadata", "name"}) != name_) return;
                            known_ = Known::kAbsent;
                            changed_();
                          },
                      .state =
                          [this](const Status& status) {
                            status_ = status;
                            changed_();
                          }});
}

void WatchedObject::Listed(const Json::Array& objects) {
  const auto mine = std::ranges::find_if(objects, [this](const Json& object) {
    return TextAt(object, {"metadata", "name"}) == name_;
  });
  known_ = mine == objects.end() ? Known::kAbsent : Known::kPresent;
  if (mine != objects.end()) object_ = *mine;
  status_ = Status::Ok();
  changed_();
}

void WatchedObject::Seen(const Json& object) {
  if (TextAt(object, {"metadata", "name"}) != name_) return;
  known_ = Known::kPresent;
  object_ = object;
  changed_();
}

std::string WatchedObject::WhyNothing() const {
  if (known_ == Known::kAbsent) return what_ + " is not there";
  return what_ + " has not been read: " + status_.message();
}

}  // namespace tranche::agent
