#include "apiserver/watched_object.h"

#include <algorithm>
#include <utility>

#include "base/json_read.h"

namespace tranche::apiserver {

using base::Json;
using base::Status;

void WatchedObject::Begin(ApiClient& api, std::string collection, const std::string& name,
                          ReplyForm form) {
  name_ = name;
  watch_ = api.Watch({.path = std::move(collection),
                      .field_selector = "metadata.name=" + name,
                      .label_selector = "",
                      .form = form},
                     {.listed = [this](const Json::Array& objects) { ObjectsListed(objects); },
                      .changed = [this](const Json& object) { ObjectSeen(object); },
                      .removed =
                          [this](const Json& object) {
                            if (base::TextAt(object, {"metadata", "name"}) != name_) return;
                            known_ = Known::kAbsent;
                            changed_();
                          },
                      .state =
                          [this](const Status& status) {
                            status_ = status;
                            changed_();
                          }});
}

void WatchedObject::ObjectsListed(const Json::Array& objects) {
  const auto mine = std::ranges::find_if(objects, [this](const Json& object) {
    return base::TextAt(object, {"metadata", "name"}) == name_;
  });
  known_ = mine == objects.end() ? Known::kAbsent : Known::kPresent;
  if (mine != objects.end()) object_ = *mine;
  status_ = Status::Ok();
  changed_();
}

void WatchedObject::ObjectSeen(const Json& object) {
  if (base::TextAt(object, {"metadata", "name"}) != name_) return;
  known_ = Known::kPresent;
  object_ = object;
  changed_();
}

std::string WatchedObject::WhyNothing() const {
  if (known_ == Known::kAbsent) return what_ + " is not there";
  return what_ + " has not been read: " + status_.message();
}

}  // namespace tranche::apiserver
