#include "daemon/handover/note.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <ctime>
#include <utility>

#include "base/document/api_version.h"
#include "base/json.h"
#include "base/json_read.h"
#include "base/time.h"

namespace tranche::daemon::handover {

namespace {

using base::ErrnoStatus;
using base::Json;
using base::Result;
using base::Status;
using base::UniqueFd;

constexpr std::size_t kMaxNoteBytes = 16U << 10U;
constexpr std::size_t kMaxTextBytes = 256;

std::string RandomToken() {
  std::array<unsigned char, 16> bytes{};
  // Never short for so few bytes (getrandom(2)); were it, the pid below would still differ.
  if (getrandom(bytes.data(), bytes.size(), 0) < 0) bytes.fill(0);
  std::string token;
  for (const unsigned char byte : bytes) token += fmt::format("{:02x}", byte);
  return token + fmt::format("-{}", getpid());
}

std::int64_t BootTimeNs() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

// The lock that only agents take. False where it cannot be had.
bool TakeProof(int fd) {
  struct flock whole {};
  whole.l_type = F_WRLCK;
  return fcntl(fd, F_OFD_SETLK, &whole) == 0;
}

bool ProofIsHeld(int fd) {
  struct flock whole {};
  whole.l_type = F_RDLCK;
  return fcntl(fd, F_OFD_GETLK, &whole) == 0 && whole.l_type == F_WRLCK;
}

}  // namespace

AgentIdentity AgentIdentity::Self() {
  char host[256] = "";
  gethostname(host, sizeof(host) - 1);
  // Kept, because each call has to say the same.
  static const std::string started = base::Rfc3339Now();
  return {.host = host, .pid = getpid(), .started = started};
}

std::string AgentIdentity::Text() const {
  if (host.empty() && pid == 0) return "another agent";
  return fmt::format("{} (pid {}{}{})", host.empty() ? "unknown host" : host, pid,
                     started.empty() ? "" : ", started ", started);
}

bool HandoverNote::NewerThan(const HandoverNote& other) const {
  return std::pair(arrival_ns, token) > std::pair(other.arrival_ns, other.token);
}

HandoverNote HandoverNote::Now(AgentIdentity identity) {
  return {.identity = std::move(identity), .arrival_ns = BootTimeNs(), .token = RandomToken()};
}

std::string EncodeNote(const HandoverNote& note) {
  return Json::MakeObject({{"apiVersion", base::document::kApiVersion},
                           {"kind", "AgentNote"},
                           {"host", note.identity.host},
                           {"pid", note.identity.pid},
                           {"started", note.identity.started},
                           {"arrivalNs", note.arrival_ns},
                           {"leaving", note.leaving},
                           {"proven", note.proven},
                           {"token", note.token}})
             .Dump() +
         "\n";
}

std::optional<HandoverNote> DecodeNote(std::string_view text) {
  const Result<Json> json = Json::Parse(text);
  if (!json.ok()) return std::nullopt;
  const std::optional<std::int64_t> arrival = base::IntAt(*json, "arrivalNs");
  if (!arrival) return std::nullopt;
  return HandoverNote{.identity = {.host = base::PrintableAt(*json, "host", kMaxTextBytes),
                                   .pid = static_cast<int>(base::IntAt(*json, "pid").value_or(0)),
                                   .started = base::PrintableAt(*json, "started", kMaxTextBytes)},
                      .arrival_ns = *arrival,
                      .token = base::PrintableAt(*json, "token", kMaxTextBytes),
                      .leaving = base::BoolAt(*json, "leaving"),
                      .proven = base::BoolAt(*json, "proven")};
}

std::optional<HandoverNote> ReadNote(int fd) {
  std::string text(kMaxNoteBytes, '\0');
  const ssize_t got = pread(fd, text.data(), text.size(), 0);
  if (got <= 0) return std::nullopt;
  text.resize(static_cast<std::size_t>(got));
  return DecodeNote(text);
}

Status WriteNote(int fd, HandoverNote note, const std::string& path) {
  note.proven = TakeProof(fd);
  const std::string text = EncodeNote(note);
  const ssize_t written = pwrite(fd, text.data(), text.size(), 0);
  if (written < 0) return ErrnoStatus(errno, "write " + path);
  if (static_cast<std::size_t>(written) != text.size()) return ErrnoStatus(ENOSPC, "write " + path);
  if (ftruncate(fd, written) != 0) return ErrnoStatus(errno, "truncate " + path);
  // Last: a file of another owner still says who holds it.
  if (fchmod(fd, 0600) != 0) return ErrnoStatus(errno, "chmod " + path);
  return Status::Ok();
}

bool IsHeld(int fd) { return flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK; }

UniqueFd OpenToLook(const std::string& path) {
  return UniqueFd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
}

Holder HolderOf(int fd) {
  if (!IsHeld(fd)) return {};
  std::optional<HandoverNote> note = ReadNote(fd);
  if (!note || (note->proven && !ProofIsHeld(fd))) return {.kind = Holder::Kind::kNoAgent};
  return {.kind = Holder::Kind::kAgent, .note = std::move(*note)};
}

Presence LookForAgent(const std::string& directory) {
  Presence presence;
  for (const char* name : {kLockName, kAnnouncementName}) {
    const std::string path = base::JoinPath(directory, name);
    const UniqueFd fd = OpenToLook(path);
    if (!fd.valid()) continue;
    const Holder holder = HolderOf(fd.get());
    if (holder.kind == Holder::Kind::kAgent && !holder.note.leaving) {
      return {.agent = holder.note.identity, .held_by_no_agent = ""};
    }
    if (holder.kind == Holder::Kind::kNoAgent && presence.held_by_no_agent.empty()) {
      presence.held_by_no_agent = path;
    }
  }
  return presence;
}

}  // namespace tranche::daemon::handover
