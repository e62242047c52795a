// Runs one gpu-feature-discovery on a stage of its own and prints the labels it writes.
//
//   peer_label_observe < REQUEST > OBSERVATION      (both JSON; labels_test.py says what is in
//   them)
//
// @STAGE@ in a request is the stage's own folder. The program finds the driver's library as in a
// container into which NVIDIA's toolkit put it: by the loader.
#include <csignal>
#include <iostream>
#include <iterator>

#include "base/event_loop.h"
#include "base/file.h"
#include "base/json.h"
#include "base/json_read.h"
#include "sim/stage/stage.h"

namespace tranche::peer {
namespace {

using base::Json;
using base::Result;
using base::Status;

constexpr base::Duration kLimit = std::chrono::seconds(20);
constexpr std::size_t kMostFile = 16U << 20U;
constexpr char kPlaceholder[] = "@STAGE@";

std::string Here(std::string text, const std::string& directory) {
  constexpr std::size_t kLength = sizeof(kPlaceholder) - 1;
  for (std::size_t at = text.find(kPlaceholder); at != std::string::npos;
       at = text.find(kPlaceholder, at)) {
    text.replace(at, kLength, directory);
    at += directory.size();
  }
  return text;
}

Status Prepare(const Json& request, const std::string& directory) {
  const Json* files = request.Find("files");
  if (files == nullptr) return Status::Ok();
  for (const auto& [path, text] : files->as_object()) {
    TRANCHE_TRY(base::WriteFileAtomic(Here(path, directory), text.as_string()));
  }
  return Status::Ok();
}

Result<sim::ProgramSpec> Program(const Json& request, const sim::Stage& stage) {
  sim::ProgramSpec spec{
      .path = base::TextAt(request, "program"),
      .arguments = {"gpu-feature-discovery"},
      .env = {{"LD_LIBRARY_PATH", base::JoinPath(stage.driver_root(), "usr/lib/x86_64-linux-gnu")}},
      .log = "gfd.log"};
  const Json* arguments = request.Find("arguments");
  if (arguments == nullptr || !arguments->is_array()) {
    return Status(base::Code::kInvalidArgument, "the request has no arguments");
  }
  for (const Json& one : arguments->as_array()) {
    spec.arguments.push_back(Here(one.as_string(), stage.directory()));
  }
  if (const Json* env = request.Find("env"); env != nullptr) {
    for (const auto& [name, value] : env->as_object()) {
      spec.env[name] = Here(value.as_string(), stage.directory());
    }
  }
  return spec;
}

// {"ended", "labels": {key: value}, absent where no file was written, "log"}
Result<Json> Observe(const Json& request) {
  auto loop = base::NewEpollLoop();
  if (!loop.ok()) return loop.status();
  auto stage = sim::Stage::Set(**loop, {.node = base::TextAt(request, "node")});
  if (!stage.ok()) return stage.status();
  const std::string& directory = (*stage)->directory();
  // NVIDIA's program makes no folder.
  TRANCHE_TRY(base::MakeDirectories(base::JoinPath(directory, "features.d")));
  TRANCHE_TRY(Prepare(request, directory));
  auto spec = Program(request, **stage);
  if (!spec.ok()) return spec.status();
  const auto pid = (*stage)->StartProgram(*spec);
  if (!pid.ok()) return pid.status();
  const bool ended = (*stage)->Until([&] { return !(*stage)->Runs(*pid); }, kLimit);
  Json observation = Json::MakeObject({{"ended", ended}});
  const auto text = base::ReadFile(base::JoinPath(directory, "features.d/gfd"), kMostFile);
  if (text.ok()) {
    Json labels = Json::MakeObject();
    for (std::string_view rest = *text; !rest.empty();) {
      const std::string_view line = rest.substr(0, rest.find('\n'));
      rest.remove_prefix(std::min(rest.size(), line.size() + 1));
      const std::size_t equals = std::min(line.find('='), line.size());
      labels.Set(line.substr(0, equals), line.substr(std::min(line.size(), equals + 1)));
    }
    observation.Set("labels", std::move(labels));
  }
  const auto log = base::ReadFile(base::JoinPath(directory, "gfd.log"), kMostFile);
  observation.Set("log", log.ok() ? *log : std::string());
  return observation;
}

}  // namespace

int Main() {
  const std::string text{std::istreambuf_iterator<char>(std::cin), {}};
  const auto request = Json::Parse(text);
  if (!request.ok()) {
    std::cerr << "peer_label_observe: " << request.status().message() << "\n";
    return 2;
  }
  const auto observation = Observe(*request);
  if (!observation.ok()) {
    std::cerr << "peer_label_observe: " << observation.status().message() << "\n";
    return 1;
  }
  std::cout << observation->Dump() << "\n";
  return 0;
}

}  // namespace tranche::peer

int main() { return tranche::peer::Main(); }
