#include "sim/kubelet/pod_table.h"

#include <algorithm>
#include <utility>

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "sim/kubelet/kubelet_json.h"

namespace tranche::sim {
namespace {

constexpr std::size_t kMaxSavedBytes = 64U << 20U;

std::string NewUid() {
  const auto uid = base::ReadFile("/proc/sys/kernel/random/uuid", 64);
  return uid.ok() ? uid->substr(0, uid->find('\n')) : std::string();
}

template <class Record, class Records>
std::vector<Record*> Sorted(Records& records) {
  std::vector<Record*> sorted;
  sorted.reserve(records.size());
  for (auto& [name, record] : records) sorted.push_back(&record);
  std::sort(sorted.begin(), sorted.end(),
            [](const Record* a, const Record* b) { return a->order < b->order; });
  return sorted;
}

PodStage StageOfSaved(const PodRecord& record) {
  if (record.pod.ended()) return PodStage::kEnded;
  if (record.process.pid > 0) return PodStage::kStarted;
  return record.pod.spec.bound ? PodStage::kQueued : PodStage::kUnscheduled;
}

}  // namespace

PodRecord* PodTable::Add(const PodSpec& spec) {
  const auto [it, is_new] = records_.try_emplace(spec.name);
  if (!is_new) return nullptr;
  PodRecord& record = it->second;
  record.pod.spec = spec;
  record.pod.uid = NewUid();
  record.order = ++last_order_;
  return &record;
}

PodRecord* PodTable::Find(const std::string& name) {
  const auto it = records_.find(name);
  return it == records_.end() ? nullptr : &it->second;
}

const PodRecord* PodTable::Find(const std::string& name) const {
  const auto it = records_.find(name);
  return it == records_.end() ? nullptr : &it->second;
}

PodRecord* PodTable::FindUid(const std::string& uid) {
  for (auto& [name, record] : records_) {
    if (record.pod.uid == uid) return &record;
  }
  return nullptr;
}

PodRecord PodTable::Remove(const std::string& name) {
  auto node = records_.extract(name);
  TRANCHE_CHECK(!node.empty());
  return std::move(node.mapped());
}

std::vector<PodRecord*> PodTable::InOrder() { return Sorted<PodRecord>(records_); }

std::vector<const PodRecord*> PodTable::InOrder() const {
  return Sorted<const PodRecord>(records_);
}

void PodTable::Save() const {
  base::Json pods = base::Json::MakeArray();
  for (const PodRecord* record : InOrder()) {
    pods.Append(ToJson(SavedPod{record->pod, record->process}));
  }
  const base::Status status = base::WriteFileAtomic(file_, pods.Dump(), 0600);
  if (!status.ok()) base::LogError("saving the pods", {base::Kv("error", status.message())});
}

void PodTable::Load() {
  const auto text = base::ReadFile(file_, kMaxSavedBytes);
  if (!text.ok()) return;
  const auto pods = base::Json::Parse(*text);
  if (!pods.ok() || !pods->is_array()) {
    base::LogError("starting without the pods of before: their file is damaged",
                   {base::Kv("file", file_)});
    return;
  }
  for (const base::Json& json : pods->as_array()) {
    auto saved = SavedPodFromJson(json);
    if (!saved.ok()) {
      base::LogError("forgetting a pod", {base::Kv("error", saved.status().message())});
      continue;
    }
    PodRecord& record = records_[saved->pod.spec.name];
    record.pod = saved.value().pod;
    record.process = saved->process;
    record.order = ++last_order_;
    record.stage = StageOfSaved(record);
    if (record.stage == PodStage::kStarted) record.pod.pid = record.process.pid;
  }
}

}  // namespace tranche::sim
