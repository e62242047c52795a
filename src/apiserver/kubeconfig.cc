#include "apiserver/kubeconfig.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/file.h"
#include "base/log.h"

namespace tranche::apiserver {

using base::Code;
using base::Result;
using base::Status;

namespace {

constexpr int kMaxOpenBrackets = 64;  // the library recurses for each
constexpr int kMaxIndent = 128;       // …and for each level of a block

// What leaves the reader from any depth; caught in ParseKubeconfig.
struct Refusal {
  std::string what;
  int line = 0;  // from 1; 0: unknown
};

int LineOf(const YAML::Node& node) { return node.Mark().is_null() ? 0 : node.Mark().line + 1; }

[[noreturn]] void Refuse(const YAML::Node& node, std::string what) {
  throw Refusal{std::move(what), LineOf(node)};
}

class Reader {
 public:
  Reader(std::string path, std::string context)
      : folder_(base::ParentDirectory(path)), context_(std::move(context)) {
    config_.where = std::move(path);
  }

  ApiConfig Read(const YAML::Node& root) {
    if (!root.IsMap()) throw Refusal{"it is no kubeconfig: no map of settings", 0};
    if (context_.empty()) context_ = Text(root, "current-context");
    if (context_.empty()) {
      throw Refusal{"it has no current-context: name one (kubectl config use-context NAME)", 0};
    }
    const YAML::Node context = Named(root, "contexts", "context", context_);
    config_.where += ", context " + base::Printable(context_, 200);
    config_.default_namespace = Text(context, "namespace");
    ReadCluster(Named(root, "clusters", "cluster", Text(context, "cluster")));
    if (const std::string user = Text(context, "user"); !user.empty()) {
      ReadUser(Named(root, "users", "user", user), user);
    }
    return std::move(config_);
  }

 private:
  // The member, or an undefined or null node.
  static YAML::Node Member(const YAML::Node& map, const char* key) {
    if (!map.IsMap()) Refuse(map, "a map is expected here");
    for (const auto& entry : map) {
      if (entry.first.IsScalar() && entry.first.Scalar() == key) return entry.second;
    }
    return YAML::Node(YAML::NodeType::Null);
  }

  static std::string Text(const YAML::Node& map, const char* key) {
    const YAML::Node value = Member(map, key);
    if (value.IsNull()) return "";
    if (!value.IsScalar()) Refuse(value, fmt::format("{} is no text", key));
    if (value.Scalar().find('\0') != std::string::npos) {
      Refuse(value, fmt::format("{} has a NUL byte in it", key));
    }
    return value.Scalar();
  }

  static YAML::Node Named(const YAML::Node& root, const char* list, const char* member,
                          const std::string& name) {
    const YAML::Node items = Member(root, list);
    if (!items.IsNull() && !items.IsSequence()) Refuse(items, fmt::format("{} is no list", list));
    for (const auto& item : items) {
      if (Text(item, "name") != name) continue;
      const YAML::Node value = Member(item, member);
      if (value.IsNull()) Refuse(item, fmt::format("this {} is empty", member));
      return value;
    }
    throw Refusal{fmt::format("there is no {} \"{}\"", member, base::Printable(name, 200)), 0};
  }

  [[nodiscard]] std::string Path(const YAML::Node& map, const char* key) const {
    const std::string path = Text(map, key);
    return path.empty() || path.starts_with('/') ? path : base::JoinPath(folder_, path);
  }

  static std::string Data(const YAML::Node& map, const char* key) {
    auto decoded = DecodeBase64(Text(map, key));
    if (!decoded.ok()) {
      Refuse(Member(map, key), fmt::format("{}: {}", key, decoded.status().message()));
    }
    return std::move(decoded).value();
  }

  static bool Flag(const YAML::Node& map, const char* key) {
    const std::string text = Text(map, key);
    if (text == "true") return true;
    if (!text.empty() && text != "false") {
      Refuse(Member(map, key), fmt::format("{} is true or false", key));
    }
    return false;
  }

  void ReadCluster(const YAML::Node& cluster) {
    config_.server = Text(cluster, "server");
    if (config_.server.empty()) Refuse(cluster, "this cluster has no server");
    // kubectl takes HOST:PORT as well.
    if (config_.server.find("://") == std::string::npos) {
      config_.server.insert(0, "https://");
    }
    config_.ca_data = Data(cluster, "certificate-authority-data");
    if (config_.ca_data.empty()) config_.ca_file = Path(cluster, "certificate-authority");
    config_.insecure_skip_tls_verify = Flag(cluster, "insecure-skip-tls-verify");
    if (config_.insecure_skip_tls_verify && !(config_.ca_data.empty() && config_.ca_file.empty())) {
      Refuse(cluster, "a certificate-authority and insecure-skip-tls-verify exclude each other");
    }
    config_.tls_server_name = Text(cluster, "tls-server-name");
    config_.proxy_url = Text(cluster, "proxy-url");
  }

  void ReadUser(const YAML::Node& user, const std::string& name) {
    constexpr std::array kPrograms = {"exec", "auth-provider"};
    for (const char* program : kPrograms) {
      const YAML::Node node = Member(user, program);
      if (node.IsNull()) continue;
      Refuse(node, fmt::format("user {} gets its credentials from a program ({}), and none is run "
                               "here. Let kubectl do it: run `kubectl proxy`, and name its address "
                               "with --server http://127.0.0.1:8001",
                               base::Printable(name, 200), program));
    }
    constexpr std::array kUnspoken = {"username", "password",  "as",
                                      "as-uid",   "as-groups", "as-user-extra"};
    for (const char* key : kUnspoken) {
      const YAML::Node node = Member(user, key);
      if (node.IsNull()) continue;
      Refuse(node, fmt::format("user {} has `{}`, which is not supported here; `kubectl proxy` "
                               "and --server http://127.0.0.1:8001 may do",
                               base::Printable(name, 200), key));
    }
    config_.certificate_data = Data(user, "client-certificate-data");
    if (config_.certificate_data.empty()) {
      config_.certificate_file = Path(user, "client-certificate");
    }
    config_.key_data = Data(user, "client-key-data");
    if (config_.key_data.empty()) config_.key_file = Path(user, "client-key");
    config_.token = Text(user, "token");
    config_.token_file = Path(user, "tokenFile");
  }

  std::string folder_;
  std::string context_;
  ApiConfig config_;
};

// The library parses by recursion; a kubeconfig needs five levels.
std::optional<Refusal> TooDeep(std::string_view text) {
  int brackets = 0;
  int indent = 0;
  int line = 1;
  bool at_start = true;
  for (const char c : text) {
    if (c == '\n') {
      ++line;
      indent = 0;
      at_start = true;
      continue;
    }
    // "- - - x" is a level for each dash.
    at_start = at_start && (c == ' ' || c == '-' || c == '?' || c == ':' || c == '\t');
    if (at_start && ++indent > kMaxIndent) return Refusal{"it is indented too deeply", line};
    if (c == '[' || c == '{') ++brackets;
    if (c == ']' || c == '}') brackets = std::max(0, brackets - 1);
    if (brackets > kMaxOpenBrackets) return Refusal{"it is nested too deeply", line};
  }
  return std::nullopt;
}

Status ToStatus(const std::string& path, const Refusal& refusal) {
  const std::string place = refusal.line > 0 ? fmt::format("{}:{}", path, refusal.line) : path;
  return {Code::kInvalidArgument, place + ": " + base::Printable(refusal.what)};
}

}  // namespace

Result<ApiConfig> ParseKubeconfig(std::string_view text, const std::string& path,
                                  const std::string& context) {
  if (text.size() > kMaxKubeconfigBytes) {
    return Status(Code::kOutOfRange,
                  fmt::format("{} is larger than {} bytes", path, kMaxKubeconfigBytes));
  }
  if (const auto refusal = TooDeep(text)) return ToStatus(path, *refusal);
  try {
    return Reader(path, context).Read(YAML::Load(std::string(text)));
  } catch (const Refusal& refusal) {
    return ToStatus(path, refusal);
  } catch (const YAML::Exception& error) {
    return ToStatus(path, {error.msg, error.mark.is_null() ? 0 : error.mark.line + 1});
  } catch (const std::exception& error) {
    return ToStatus(path, {error.what(), 0});
  }
}

Result<std::string> DecodeBase64(std::string_view text) {
  const Status bad(Code::kInvalidArgument, "it is not base64");
  std::string out;
  out.reserve(text.size() / 4 * 3);
  unsigned bits = 0;
  int have = 0;     // bits not yet written
  int padding = 0;  // '=' so far
  std::size_t digits = 0;
  for (const char c : text) {
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n') continue;
    unsigned value = 0;
    if (c >= 'A' && c <= 'Z') {
      value = static_cast<unsigned>(c - 'A');
    } else if (c >= 'a' && c <= 'z') {
      value = static_cast<unsigned>(c - 'a') + 26;
    } else if (c >= '0' && c <= '9') {
      value = static_cast<unsigned>(c - '0') + 52;
    } else if (c == '+' || c == '/') {
      value = c == '+' ? 62 : 63;
    } else if (c == '=' && padding < 2) {
      ++padding;
      ++digits;
      continue;
    } else {
      return bad;
    }
    if (padding > 0) return bad;
    ++digits;
    bits = (bits << 6U) | value;
    have += 6;
    if (have >= 8) {
      have -= 8;
      out.push_back(static_cast<char>((bits >> static_cast<unsigned>(have)) & 0xffU));
    }
  }
  if (digits % 4 != 0) return bad;
  return out;
}

}  // namespace tranche::apiserver
