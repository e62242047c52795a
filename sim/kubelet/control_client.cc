#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/json_read.h"
#include "rpc/unix_socket.h"
#include "sim/kubelet/control.h"

namespace tranche::sim {
namespace {

using base::Json;
using base::Status;

// Lines over a blocking conversation on the (non-blocking) socket.
class Conversation {
 public:
  Status Open(const std::string& socket_path) {
    auto fd = rpc::ConnectToUnixSocket(socket_path);
    if (!fd.ok()) return fd.status();
    fd_ = std::move(fd).value();
    return Status::Ok();
  }

  Status Send(std::string text) {
    while (!text.empty()) {
      const ssize_t count = ::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL);
      if (count >= 0) {
        text.erase(0, static_cast<std::size_t>(count));
      } else if (errno == EAGAIN) {
        Wait(POLLOUT);
      } else if (errno != EINTR) {
        return base::ErrnoStatus(errno, "writing to the small kubelet");
      }
    }
    return Status::Ok();
  }

  base::Result<std::string> ReadLine() {
    while (true) {
      const auto end = in_.find('\n');
      if (end != std::string::npos) {
        std::string line = in_.substr(0, end);
        in_.erase(0, end + 1);
        return line;
      }
      char buffer[16384];
      const ssize_t count = ::read(fd_.get(), buffer, sizeof buffer);
      if (count > 0) {
        in_.append(buffer, static_cast<std::size_t>(count));
      } else if (count == 0) {
        return Status(base::Code::kUnavailable, "the small kubelet ended the conversation");
      } else if (errno == EAGAIN) {
        Wait(POLLIN);
      } else if (errno != EINTR) {
        return base::ErrnoStatus(errno, "reading from the small kubelet");
      }
    }
  }

 private:
  void Wait(short events) const {
    pollfd ready{fd_.get(), events, 0};
    ::poll(&ready, 1, -1);
  }

  base::UniqueFd fd_;
  std::string in_;
};

}  // namespace

base::Result<Json> CallControl(const std::string& socket_path, const Json& request) {
  Conversation conversation;
  TRANCHE_TRY(conversation.Open(socket_path));
  TRANCHE_TRY(conversation.Send(request.Dump() + "\n"));
  const auto line = conversation.ReadLine();
  if (!line.ok()) return line.status();
  auto answer = Json::Parse(*line);
  if (!answer.ok()) return answer.status();
  if (base::BoolAt(*answer, "ok")) return base::ValueAt(*answer, "result");
  const std::string* error = base::FindText(*answer, "error");
  const std::int64_t code = base::IntAt(*answer, "code").value_or(0);
  const bool has_code = code > 0 && code <= static_cast<int>(base::Code::kDataLoss);
  return Status(has_code ? static_cast<base::Code>(code) : base::Code::kUnknown,
                error != nullptr ? *error : "malformed answer");
}

Status TraceControl(const std::string& socket_path,
                    const std::function<bool(const std::string&)>& on_line) {
  Conversation conversation;
  TRANCHE_TRY(conversation.Open(socket_path));
  TRANCHE_TRY(conversation.Send("{\"verb\":\"trace\"}\n"));
  while (true) {
    const auto line = conversation.ReadLine();
    if (!line.ok()) return line.status();
    if (!on_line(*line)) return Status::Ok();
  }
}

}  // namespace tranche::sim
