// The small kubelet's control socket: JSON objects, a line each way.
//
//   {"verb":"node-status"}                  {"verb":"pod-run","pod":{"name":…,"requests":{…},…}}
//   {"verb":"pod-list"}                     {"verb":"pod-show","name":…}
//   {"verb":"pod-delete","name":…}          {"verb":"pod-restart-container","name":…}
//   {"verb":"kubelet-restart","downMs":0}   {"verb":"wait","resource":…,"count":N,"timeoutMs":…}
//   {"verb":"trace"}                        events, a line each, until the client leaves
//
// Answers: {"ok":true,"result":…} or {"ok":false,"error":…}. The server runs on the loop; a client
// that does not read is dropped. CallControl blocks, and is for another process.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/event_loop.h"
#include "base/json.h"
#include "base/status.h"
#include "sim/kubelet/kubelet.h"

namespace tranche::sim {

class ControlServer {
 public:
  static base::Result<std::unique_ptr<ControlServer>> Start(base::EventLoop& loop,
                                                            const std::string& socket_path);
  virtual ~ControlServer() = default;

  // Verbs fail until there is one. `kubelet` outlives the server.
  virtual void SetKubelet(Kubelet& kubelet) = 0;
  // To be told of every event, for `trace` and `wait`.
  virtual void OnEvent(const Event& event) = 0;
};

// Sends one request and gives the answer's "result". Waits for it without limit (verbs have
// theirs).
base::Result<base::Json> CallControl(const std::string& socket_path, const base::Json& request);

// Sends {"verb":"trace"} and calls `on_line` for each event; ends when it says false, or the server
// goes.
base::Status TraceControl(const std::string& socket_path,
                          const std::function<bool(const std::string&)>& on_line);

}  // namespace tranche::sim
