// ApiClient is a small client of the Kubernetes API server: get, list, watch, patch, create,
// delete.
//
// NewApiClient makes the real one (libcurl, driven by the loop); testing::FakeApi holds objects in
// memory. Objects are JSON, as the server sends them.
//
// Threading: the loop's thread, which nothing here blocks. A callback never runs inside the call to
// which it was given.
// Errors: a Status in the callback (see ApiDone). Replies are bounded in size (kMaxReplyBytes) and
// time. A watch retries for ever and reports its state.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "apiserver/config.h"
#include "base/event_loop.h"
#include "base/json.h"
#include "base/status.h"

namespace tranche::apiserver {

inline constexpr std::size_t kMaxReplyBytes = 32U << 20;

enum class Method { kGet, kPost, kPut, kPatch, kDelete };

// How a patch's body is to be read: https://kubernetes.io/docs/reference/using-api/api-concepts/
enum class PatchKind { kMerge, kApply };  // kApply: server-side apply

// What a reply is asked to hold: whole objects, their metadata alone (PartialObjectMetadata, or a
// list of those), or text that is no JSON (a pod's answer by way of the proxy, /readyz), which
// comes as a JSON string.
enum class ReplyForm { kObject, kMetadata, kText };

struct ApiRequest {
  Method method = Method::kGet;
  std::string path;  // with its query, escaped: "/api/v1/nodes/n?fieldManager=tranche"
  std::optional<base::Json> body;
  PatchKind patch = PatchKind::kMerge;
  ReplyForm form = ReplyForm::kObject;
  base::Duration deadline = std::chrono::seconds(10);
};

// A request under way. Destroying it cancels: its callback is not called any more.
class ApiCall {
 public:
  virtual ~ApiCall() = default;
};

// The reply's object, or why there is none. The server's Status object gives message and code:
// 404 kNotFound, 403 kPermissionDenied, 401 kFailedPrecondition, 409 kAlreadyExists or kAborted (by
// reason), 410 kOutOfRange, 413 and 429 kResourceExhausted, 400 and 422 kInvalidArgument, 503 and
// no answer kUnavailable, too late kDeadlineExceeded.
using ApiDone = std::function<void(base::Result<base::Json>)>;

// What a watch follows: one collection or, with a field selector, one object of it.
struct WatchSpec {
  std::string path;            // of the collection: "/api/v1/nodes"
  std::string field_selector;  // "metadata.name=gpu-node"; "" for all
  std::string label_selector;
  ReplyForm form = ReplyForm::kObject;  // never kText
};

// Lists, then watches from there with bookmarks; resumes where the server lets it and lists again
// where it says 410 Gone. Failures are retried for ever, with back-off and jitter.
class ApiWatch {
 public:
  struct Owner {
    // All objects, after each list. An object that is not among them is gone.
    std::function<void(const base::Json::Array& objects)> listed;
    std::function<void(const base::Json& object)> changed;  // added or modified
    std::function<void(const base::Json& object)> removed;
    // In sync (OK), or why not; called when that changes.
    std::function<void(const base::Status&)> state;
  };
  virtual ~ApiWatch() = default;
};

class ApiClient {
 public:
  virtual ~ApiClient() = default;

  // Not retried, but counted against the QPS limit: it may wait a moment before it is sent.
  [[nodiscard]] virtual std::unique_ptr<ApiCall> Send(ApiRequest request, ApiDone done) = 0;
  [[nodiscard]] virtual std::unique_ptr<ApiWatch> Watch(WatchSpec spec, ApiWatch::Owner owner) = 0;
};

struct ApiClientOptions {
  double qps = 5;  // as upstream's --kube-api-qps and --kube-api-burst
  int burst = 10;
  std::string user_agent = "tranche";
};

// Loads libcurl (it is not linked: a program that asks no API server starts without it). The loop
// outlives the client. Errors: no libcurl, unusable CA or client certificate.
base::Result<std::unique_ptr<ApiClient>> NewApiClient(base::EventLoop& loop, ApiConfig config,
                                                      ApiClientOptions options = {});

// One path segment or query value, percent-encoded (RFC 3986).
std::string EscapeSegment(std::string_view text);

}  // namespace tranche::apiserver
