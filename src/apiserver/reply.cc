#include "apiserver/reply.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <vector>

#include "base/json_read.h"
#include "base/log.h"

namespace tranche::apiserver {

using base::Code;
using base::Json;
using base::Result;
using base::Status;

namespace {

constexpr std::size_t kMaxMessageBytes = 1024;

Code CodeOf(int http_code, std::string_view reason) {
  switch (http_code) {
    case 400:
    case 422:
      return Code::kInvalidArgument;
    case 401:
      return Code::kFailedPrecondition;
    case 403:
      return Code::kPermissionDenied;
    case 404:
      return Code::kNotFound;
    case 405:
    case 406:
    case 415:
      return Code::kUnimplemented;
    case 408:
    case 504:
      return Code::kDeadlineExceeded;
    case 409:
      return reason == "AlreadyExists" ? Code::kAlreadyExists : Code::kAborted;
    case 410:
      return Code::kOutOfRange;
    case 413:
    case 429:
      return Code::kResourceExhausted;
    case 500:
      return Code::kInternal;
    case 502:
    case 503:
      return Code::kUnavailable;
    default:
      return http_code >= 300 && http_code < 400 ? Code::kFailedPrecondition : Code::kUnknown;
  }
}

std::vector<std::string_view> Segments(std::string_view path) {
  path = path.substr(0, path.find('?'));
  std::vector<std::string_view> segments;
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/'), path.size());
    if (end > 0) segments.push_back(path.substr(0, end));
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return segments;
}

}  // namespace

Status StatusOf(int http_code, const Json& status) {
  const std::string_view reason = base::TextAt(status, "reason");
  const std::string_view message = base::TextAt(status, "message");
  std::string text = base::Printable(message, kMaxMessageBytes);
  if (text.empty()) text = base::Printable(reason, kMaxMessageBytes);
  if (text.empty()) text = fmt::format("the API server answered {}", http_code);
  return {CodeOf(http_code, reason), std::move(text)};
}

Status FailureOf(const HttpReply& reply) {
  if (reply.code >= 300 && reply.code < 400) {
    return {
        CodeOf(reply.code, ""),
        fmt::format("the API server answered {}, a redirect, which is not followed", reply.code)};
  }
  const auto parsed = Json::Parse(reply.body);
  if (parsed.ok() && base::TextAt(*parsed, "kind") == "Status")
    return StatusOf(reply.code, *parsed);
  // Not the API server's own: a proxy's page, or the text of a filter in front.
  std::string_view line = reply.body;
  line = line.substr(0, line.find_first_of("\r\n"));
  std::string text = fmt::format("the API server answered {}", reply.code);
  if (!line.empty()) text += ": " + base::Printable(line, 200);
  return {CodeOf(reply.code, ""), std::move(text)};
}

Result<Json> ReadReply(HttpReply reply, ReplyForm form) {
  if (reply.code < 200 || reply.code >= 300) return FailureOf(reply);
  if (form == ReplyForm::kText) return Json(std::move(reply.body));
  if (reply.body.empty()) return Json();  // 204
  auto parsed = Json::Parse(reply.body);
  if (parsed.ok() && parsed->is_object()) return parsed;
  return Status(Code::kInternal,
                fmt::format("the API server's answer is {}: {}",
                            parsed.ok() ? "no object" : parsed.status().message(),
                            base::Printable(std::string_view(reply.body).substr(0, 200), 80)));
}

bool NamesCollection(std::string_view path) {
  const std::vector<std::string_view> segments = Segments(path);
  // /api/v1/… or /apis/GROUP/VERSION/…
  std::size_t at = 0;
  if (segments.size() >= 2 && segments[0] == "api") at = 2;
  if (segments.size() >= 3 && segments[0] == "apis") at = 3;
  if (at == 0) return false;
  // namespaces/NAMESPACE/RESOURCE
  if (segments.size() >= at + 3 && segments[at] == "namespaces") at += 2;
  return segments.size() == at + 1;
}

std::string AcceptHeader(std::string_view path, ReplyForm form) {
  if (form == ReplyForm::kText) return "*/*";
  if (form == ReplyForm::kObject) return "application/json";
  return fmt::format("application/json;as={};g=meta.k8s.io;v=v1",
                     NamesCollection(path) ? "PartialObjectMetadataList" : "PartialObjectMetadata");
}

std::string EscapeSegment(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool unreserved =
        (byte < 0x80 && std::isalnum(byte) != 0) || c == '-' || c == '.' || c == '_' || c == '~';
    if (unreserved) {
      out.push_back(c);
    } else {
      out += fmt::format("%{:02X}", byte);
    }
  }
  return out;
}

}  // namespace tranche::apiserver
