// WatchedObject follows one object of the API server by its name.
//
// Threading: the loop's thread.
// Errors: status() says why it is not in sync. The object as last seen stays while the server is
// away.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "apiserver/client.h"
#include "base/json.h"
#include "base/status.h"

namespace tranche::apiserver {

class WatchedObject {
 public:
  enum class Known { kNothing, kAbsent, kPresent };

  // `changed` after anything below may have changed. `what` is for messages: "node gpu-node".
  WatchedObject(std::string what, std::function<void()> changed)
      : what_(std::move(what)), changed_(std::move(changed)) {}

  // `collection`: "/api/v1/nodes".
  void Begin(ApiClient& api, std::string collection, const std::string& name, ReplyForm form);

  [[nodiscard]] Known known() const { return known_; }
  [[nodiscard]] const base::Json& object() const { return object_; }    // last seen
  [[nodiscard]] const base::Status& status() const { return status_; }  // in sync, or why not
  [[nodiscard]] const std::string& what() const { return what_; }
  // "node gpu-node has not been read: connection refused".
  [[nodiscard]] std::string WhyNothing() const;

 private:
  void ObjectsListed(const base::Json::Array& objects);
  void ObjectSeen(const base::Json& object);

  std::string what_;
  std::string name_;
  std::function<void()> changed_;
  Known known_ = Known::kNothing;
  base::Json object_;
  base::Status status_{base::Code::kUnavailable, "not asked yet"};
  std::unique_ptr<ApiWatch> watch_;
};

}  // namespace tranche::apiserver
