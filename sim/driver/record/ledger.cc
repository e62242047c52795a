#include "sim/driver/record/ledger.h"

#include <algorithm>

namespace tranche::sim::driver {
namespace {

using base::Json;

// A client may make and end contexts for ever: the sums of the first are then added up.
constexpr std::size_t kMaxContextAccounts = 256;

Json CopyJson(const CopySums& copies) {
  return Json::MakeObject({{"count", copies.count}, {"bytes", copies.bytes}, {"ns", copies.time}});
}

void AddCopies(const CopySums& from, CopySums* to) {
  to->count += from.count;
  to->bytes += from.bytes;
  to->time += from.time;
}

Json EndJson(Time ended) { return ended < 0 ? Json() : Json(ended); }

Json ContextJson(const ContextAccount& context) {
  Json json = UsageJson(context.usage);
  json.Set("context", context.number);
  json.Set("slot", context.slot);
  json.Set("gpu_instance", InstanceJson(context.gpu_instance));
  json.Set("compute_instance", InstanceJson(context.compute_instance));
  json.Set("begun_ns", context.begun);
  json.Set("ended_ns", EndJson(context.ended));
  return json;
}

Usage Sum(const ProcessAccount& process) {
  Usage sum = process.without_context;
  for (const ContextAccount& context : process.contexts) sum.Add(context.usage);
  return sum;
}

Json ProcessJson(const ProcessAccount& process) {
  Json contexts = Json::MakeArray();
  for (const ContextAccount& context : process.contexts) contexts.Append(ContextJson(context));
  Json json = UsageJson(Sum(process));
  json.Set("pid", static_cast<std::int64_t>(process.pid));
  json.Set("client", process.client);
  json.Set("name", process.name);
  json.Set("begun_ns", process.begun);
  json.Set("ended_ns", EndJson(process.ended));
  json.Set("memory_peak_bytes", process.memory_peak);
  json.Set("contexts", std::move(contexts));
  return json;
}

}  // namespace

void Lateness::Add(Time by, bool idle) {
  ++submits;
  if (by <= 0) return;
  ++late;
  late_time += by;
  latest = std::max(latest, by);
  if (!idle) return;
  ++late_idle;
  late_idle_time += by;
}

void Lateness::Add(const Lateness& other) {
  submits += other.submits;
  late += other.late;
  late_time += other.late_time;
  latest = std::max(latest, other.latest);
  late_idle += other.late_idle;
  late_idle_time += other.late_idle_time;
}

void Usage::Add(const Usage& other) {
  computed += other.computed;
  kernels += other.kernels;
  switched += other.switched;
  switches += other.switches;
  AddCopies(other.in, &in);
  AddCopies(other.out, &out);
  reservations += other.reservations;
  refused += other.refused;
  asked_bytes += other.asked_bytes;
  taken_bytes += other.taken_bytes;
  lateness.Add(other.lateness);
}

ProcessAccount& Ledger::Begin(std::uint32_t client, pid_t pid, const std::string& name, Time at) {
  return processes_.emplace_back(
      ProcessAccount{.client = client, .pid = pid, .name = name, .begun = at});
}

ContextAccount& Ledger::BeginContext(ProcessAccount& process, Time at) {
  return process.contexts.emplace_back(ContextAccount{.number = ++contexts_, .begun = at});
}

void Ledger::EndContext(ProcessAccount& process, ContextAccount& context, Time at) {
  context.ended = at;
  if (process.contexts.size() <= kMaxContextAccounts) return;
  const auto oldest =
      std::find_if(process.contexts.begin(), process.contexts.end(),
                   [](const ContextAccount& account) { return account.ended >= 0; });
  process.without_context.Add(oldest->usage);
  process.contexts.erase(oldest);
}

void Ledger::End(ProcessAccount& process, Time at) {
  process.ended = at;
  ended_.push_back(&process);
  if (ended_.size() <= kMaxEnded) return;
  const ProcessAccount* oldest = ended_.front();
  ended_.pop_front();
  before_.Add(Sum(*oldest));
  ++forgotten_;
  processes_.remove_if([&](const ProcessAccount& account) { return &account == oldest; });
}

void Ledger::CountMissing(const std::string& call) {
  if (missing_.size() >= kMaxMissingNames && !missing_.contains(call)) return;
  ++missing_[call];
}

Lateness Ledger::TotalLateness() const {
  Lateness sum = before_.lateness;
  for (const ProcessAccount& process : processes_) sum.Add(Sum(process).lateness);
  return sum;
}

void Ledger::Describe(Json* out) const {
  Json processes = Json::MakeArray();
  for (const ProcessAccount& process : processes_) processes.Append(ProcessJson(process));
  out->Set("processes", std::move(processes));
  Json before = UsageJson(before_);
  before.Set("processes", forgotten_);
  out->Set("ended_before", std::move(before));
  Json missing = Json::MakeObject();
  for (const auto& [call, count] : missing_) missing.Set(call, count);
  out->Set("missing", std::move(missing));
}

Json LatenessJson(const Lateness& lateness) {
  return Json::MakeObject({{"submits", lateness.submits},
                           {"late", lateness.late},
                           {"late_ns", lateness.late_time},
                           {"latest_ns", lateness.latest},
                           {"late_idle", lateness.late_idle},
                           {"late_idle_ns", lateness.late_idle_time}});
}

Json UsageJson(const Usage& usage) {
  return Json::MakeObject({{"computed_ns", usage.computed},
                           {"kernels", usage.kernels},
                           {"switched_ns", usage.switched},
                           {"switches", usage.switches},
                           {"copies_in", CopyJson(usage.in)},
                           {"copies_out", CopyJson(usage.out)},
                           {"reservations", usage.reservations},
                           {"refused", usage.refused},
                           {"asked_bytes", usage.asked_bytes},
                           {"taken_bytes", usage.taken_bytes},
                           {"lateness", LatenessJson(usage.lateness)}});
}

Json InstanceJson(std::uint32_t instance) {
  return instance == kWholeGpu ? Json() : Json(instance);
}

}  // namespace tranche::sim::driver
