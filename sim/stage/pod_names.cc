#include "sim/stage/pod_names.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <string_view>

#include "base/json_read.h"

namespace tranche::sim {

namespace {

using base::Json;
using base::Result;
using base::Status;

constexpr std::string_view kPods = "/api/v1/pods";
constexpr std::size_t kMaxHead = 16384;
constexpr std::size_t kMaxConnections = 16;

// Of "…?a=b&c=d"; "" where there is none.
std::string_view QueryValue(std::string_view target, std::string_view key) {
  std::string_view rest = target.substr(std::min(target.find('?'), target.size()));
  while (!rest.empty()) {
    rest.remove_prefix(1);
    const std::string_view part = rest.substr(0, rest.find('&'));
    if (part.starts_with(key) && part.substr(key.size()).starts_with('=')) {
      return part.substr(key.size() + 1);
    }
    rest.remove_prefix(part.size());
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<PodNames>> PodNames::Start(base::EventLoop& loop, std::string node) {
  std::unique_ptr<PodNames> names(new PodNames(loop, std::move(node)));
  TRANCHE_TRY(names->Listen());
  return names;
}

PodNames::~PodNames() {
  if (accepting_ != 0) loop_.UnwatchFd(accepting_);
  while (!connections_.empty()) Close(connections_.begin()->first);
}

Status PodNames::Listen() {
  listener_ = base::UniqueFd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener_.valid()) return base::ErrnoStatus(errno, "socket");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* const raw = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof(address);
  if (bind(listener_.get(), raw, size) != 0 || listen(listener_.get(), kMaxConnections) != 0 ||
      getsockname(listener_.get(), raw, &size) != 0) {
    return base::ErrnoStatus(errno, "listen on 127.0.0.1");
  }
  port_ = ntohs(address.sin_port);
  accepting_ = loop_.WatchFd(listener_.get(), base::FdEvents::kRead, [this] { Accept(); });
  return Status::Ok();
}

std::string PodNames::Kubeconfig() const {
  return fmt::format(R"(apiVersion: v1
kind: Config
current-context: stage
contexts: [{{name: stage, context: {{cluster: stage, user: stage}}}}]
clusters: [{{name: stage, cluster: {{server: "http://127.0.0.1:{}"}}}}]
users: [{{name: stage, user: {{}}}}]
)",
                     port_);
}

void PodNames::Add(const NamedPod& pod) {
  Json object = Json::MakeObject();
  object.Set(
      "metadata",
      Json::MakeObject({{"uid", pod.uid}, {"namespace", pod.pod_namespace}, {"name", pod.name}}));
  object.Set("spec",
             Json::MakeObject(
                 {{"nodeName", node_},
                  {"containers", Json::MakeArray({Json::MakeObject({{"name", pod.container}})})}}));
  object.Set("status",
             Json::MakeObject({{"containerStatuses",
                                Json::MakeArray({Json::MakeObject(
                                    {{"name", pod.container},
                                     {"containerID", "containerd://" + pod.container_id}})})}}));
  Tell("ADDED", std::move(object));
}

Status PodNames::Annotate(const std::string& name, const std::string& key,
                          const std::string& value) {
  const auto pod = pods_.find(name);
  if (pod == pods_.end()) return {base::Code::kNotFound, "there is no pod " + name};
  Json object = pod->second;
  Json metadata = *object.Find("metadata");
  const Json* const known = metadata.Find("annotations");
  Json annotations = known == nullptr ? Json::MakeObject() : *known;
  annotations.Set(key, value);
  metadata.Set("annotations", std::move(annotations));
  object.Set("metadata", std::move(metadata));
  Tell("MODIFIED", std::move(object));
  return Status::Ok();
}

void PodNames::Tell(const char* kind, Json object) {
  changes_.push_back({kind, Json()});
  Json metadata = *object.Find("metadata");
  metadata.Set("resourceVersion", Version());
  object.Set("metadata", std::move(metadata));
  pods_[base::TextAt(object, {"metadata", "name"})] = object;
  changes_.back().object = std::move(object);
  std::vector<int> followers;
  for (const auto& [number, connection] : connections_) {
    if (connection.follows) followers.push_back(number);
  }
  const std::string line = Line(changes_.back());
  for (const int number : followers) Send(number, line);
}

std::string PodNames::Line(const Change& change) {
  return Json::MakeObject({{"type", change.kind}, {"object", change.object}}).Dump() + "\n";
}

void PodNames::Accept() {
  base::UniqueFd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!fd.valid()) return;
  if (connections_.size() >= kMaxConnections) Close(connections_.begin()->first);
  const int number = ++last_;
  Connection& connection = connections_[number];
  connection.fd = std::move(fd);
  connection.reading =
      loop_.WatchFd(connection.fd.get(), base::FdEvents::kRead, [this, number] { Read(number); });
}

void PodNames::Read(int number) {
  Connection& connection = connections_.at(number);
  std::array<char, 4096> bytes{};
  const ssize_t got = read(connection.fd.get(), bytes.data(), bytes.size());
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) return Close(number);
  connection.in.append(bytes.data(), static_cast<std::size_t>(got));
  const std::size_t end = connection.in.find("\r\n\r\n");
  if (end == std::string::npos) {
    if (connection.in.size() > kMaxHead) Close(number);
    return;
  }
  // One request on a connection: each answer says that it is the last.
  if (connection.follows) return Close(number);
  const std::string_view head = connection.in;
  const std::string_view line = head.substr(0, head.find("\r\n"));
  const std::string_view rest = line.substr(std::min(line.find(' ') + 1, line.size()));
  const std::string target(rest.substr(0, rest.find(' ')));
  const bool is_get = line.starts_with("GET ");
  connection.in.clear();
  Answer(number, is_get ? target : "");
}

void PodNames::Answer(int number, const std::string& target) {
  constexpr char kHead[] =
      "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n";
  if (target.substr(0, target.find('?')) != kPods) {
    if (Send(number,
             "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n"
             "Connection: close\r\n\r\n")) {
      Close(number);
    }
    return;
  }
  if (QueryValue(target, "watch").empty()) {
    Json items = Json::MakeArray();
    for (const auto& [name, pod] : pods_) items.Append(pod);
    const std::string body =
        Json::MakeObject({{"kind", "PodList"},
                          {"apiVersion", "v1"},
                          {"metadata", Json::MakeObject({{"resourceVersion", Version()}})},
                          {"items", std::move(items)}})
            .Dump();
    if (Send(number, fmt::format("{}Content-Length: {}\r\n\r\n{}", kHead, body.size(), body))) {
      Close(number);
    }
    return;
  }
  const std::string_view asked = QueryValue(target, "resourceVersion");
  std::size_t version = 1;
  std::from_chars(asked.data(), asked.data() + asked.size(), version);
  std::string text = std::string(kHead) + "\r\n";
  for (std::size_t i = std::max<std::size_t>(version, 1) - 1; i < changes_.size(); ++i) {
    text += Line(changes_[i]);
  }
  connections_.at(number).follows = true;
  Send(number, text);
}

bool PodNames::Send(int number, const std::string& text) {
  const Connection& connection = connections_.at(number);
  const ssize_t sent = send(connection.fd.get(), text.data(), text.size(), MSG_NOSIGNAL);
  if (sent == static_cast<ssize_t>(text.size())) return true;
  Close(number);
  return false;
}

void PodNames::Close(int number) {
  const auto connection = connections_.find(number);
  if (connection == connections_.end()) return;
  loop_.UnwatchFd(connection->second.reading);
  connections_.erase(connection);
}

}  // namespace tranche::sim
