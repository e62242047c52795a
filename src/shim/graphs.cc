#include "shim/graphs.h"

#include <sys/mman.h>

#include "shim/attach.h"
#include "shim/driver.h"
#include "shim/guest/channel.h"

namespace tranche::shim {
namespace {

constexpr unsigned kMostNested = 16;  // child graphs in child graphs
constexpr unsigned kOrdinalAt = 52;   // of a table's handle: above every address
constexpr std::uint64_t kPiece = 2U << 20U;
constexpr int kPatienceMilliseconds = 100;

// What the allocation nodes of a graph take on each device.
struct Needs {
  std::uint64_t bytes[kMaxOrdinals];
  // Of each address that is allocated and not freed something is left over.
  std::uint64_t left[kMaxOrdinals];
  // Some of it could not be learned, as there was no memory, or there were too many graphs in
  // graphs.
  bool in_part;
};

std::uint64_t Mixed(std::uint64_t number) {
  number = (number ^ (number >> 31U)) * 0x9E3779B97F4A7C15U;
  return number ^ (number >> 29U);
}

void AddNode(GraphNode node, Needs* needs) {
  int type = -1;
  if (CallReal(PlainAddress(Plain::kGraphNodeType), node, &type) != kSuccess) return;
  if (type == kNodeMemAlloc) {
    MemAllocNode params = {};
    const Result told = CallReal(PlainAddress(Plain::kGraphAllocNode), node, &params);
    const Device ordinal = params.pool.location.id;
    if (told != kSuccess || params.pool.location.type != kLocationDevice) return;
    if (ordinal < 0 || ordinal >= kMaxOrdinals) return;
    needs->bytes[ordinal] += (params.bytes + kPiece - 1) / kPiece * kPiece;
    needs->left[ordinal] += Mixed(params.pointer);
  } else if (type == kNodeMemFree) {
    DevicePtr freed = 0;
    if (CallReal(PlainAddress(Plain::kGraphFreeNode), node, &freed) != kSuccess) return;
    // Of which device it is does not show: what is left over anywhere counts.
    for (std::uint64_t& left : needs->left) left -= Mixed(freed);
  }
}

void AddGraph(Graph graph, unsigned nested, Needs* needs) {
  std::size_t count = 0;
  GraphNode* none = nullptr;
  void* nodes_of = PlainAddress(Plain::kGraphNodes);
  if (CallReal(nodes_of, graph, none, &count) != kSuccess || count == 0) return;
  const std::size_t bytes = count * sizeof(GraphNode);
  void* room = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (room == MAP_FAILED) {
    needs->in_part = true;
    return;
  }
  auto* nodes = static_cast<GraphNode*>(room);
  if (CallReal(nodes_of, graph, nodes, &count) == kSuccess) {
    for (std::size_t i = 0; i < count; ++i) {
      int type = -1;
      Graph child = nullptr;
      AddNode(nodes[i], needs);
      if (CallReal(PlainAddress(Plain::kGraphNodeType), nodes[i], &type) != kSuccess) continue;
      if (type != kNodeGraph) continue;
      needs->in_part = needs->in_part || nested == kMostNested;
      if (nested == kMostNested) continue;
      if (CallReal(PlainAddress(Plain::kGraphChild), nodes[i], &child) != kSuccess) continue;
      AddGraph(child, nested + 1, needs);
    }
  }
  munmap(room, bytes);
}

std::uint64_t HandleOf(GraphExec exec, Device ordinal) {
  return reinterpret_cast<std::uintptr_t>(exec) | static_cast<std::uint64_t>(ordinal) << kOrdinalAt;
}

// Tells whether a graph was launched last where it is to be launched now, with nothing between that
// took memory from it.
std::uint64_t MarkOf(const Program& program, std::uint64_t stream) {
  return Mixed(stream ^ Mixed(program.graphs.epoch.load() + 1)) | 1;
}

}  // namespace

void LearnGraph(Program& program, GraphExec exec, Graph graph) {
  if (program.attachment.load() == nullptr) return;
  Record before[kMostGraphDevices];
  ForgetGraph(program, exec, before);
  Needs needs = {};
  AddGraph(graph, 0, &needs);
  if (needs.in_part) CountTrouble(program);
  unsigned devices = 0;
  for (Device ordinal = 0; ordinal < kMaxOrdinals; ++ordinal) {
    const unsigned device = WallOf(program, ordinal);
    if (needs.bytes[ordinal] == 0 || device == kNoWall) continue;
    if (++devices > kMostGraphDevices) {
      CountTrouble(program);
      break;
    }
    program.graphs.devices.fetch_or(std::uint64_t{1} << static_cast<unsigned>(ordinal));
    // Whole pieces: the lowest bit is free to say that something outlives the launch.
    const std::uint64_t outlives = needs.left[ordinal] != 0 ? 1 : 0;
    if (!program.table.Put({.kind = Kind::kExec,
                            .handle = HandleOf(exec, ordinal),
                            .bytes = needs.bytes[ordinal] | outlives,
                            .device = device,
                            .owner = 0})) {
      CountTrouble(program);
    }
  }
}

unsigned ForgetGraph(Program& program, GraphExec exec, Record (&known)[kMostGraphDevices]) {
  std::uint64_t devices = program.graphs.devices.load(std::memory_order_relaxed);
  unsigned count = 0;
  for (Device ordinal = 0; devices != 0; ++ordinal, devices >>= 1U) {
    if ((devices & 1U) == 0 || count == kMostGraphDevices) continue;
    if (program.table.Take(Kind::kExec, HandleOf(exec, ordinal), &known[count])) ++count;
  }
  return count;
}

GraphTaking::GraphTaking(Program& program) : graphs_(program.graphs) {
  graphs_.takers.fetch_add(1);
  graphs_.epoch.fetch_add(1);
  for (int waited = 0; !alone_ && waited < kPatienceMilliseconds; ++waited) {
    if (waited != 0) guest::SleepMilliseconds(1);
    alone_ = graphs_.relaunches.load() == 0;
  }
}

GraphTaking::~GraphTaking() {
  graphs_.epoch.fetch_add(1);
  graphs_.takers.fetch_sub(1);
}

bool GraphLaunch::BeginRelaunch() {
  program_.graphs.relaunches.fetch_add(1);
  relaunches_ = program_.graphs.takers.load() == 0;
  if (!relaunches_) program_.graphs.relaunches.fetch_sub(1);
  return relaunches_;
}

void GraphLaunch::EndRelaunch() {
  if (relaunches_) program_.graphs.relaunches.fetch_sub(1);
  relaunches_ = false;
}

GraphLaunch::~GraphLaunch() { EndRelaunch(); }

void GraphLaunch::Add(const Need& need) {
  if (count_ == kMostGraphDevices) return CountTrouble(program_);
  static_cast<Need&>(parts_[count_++]) = need;
}

GraphLaunch::GraphLaunch(Program& program, GraphExec exec, std::uint64_t stream)
    : program_(program) {
  std::uint64_t devices = program.graphs.devices.load(std::memory_order_relaxed);
  Record record;
  const bool may_have_it = BeginRelaunch();
  mark_ = MarkOf(program, stream);  // whoever takes memory from now on waits, or changes it
  for (Device ordinal = 0; devices != 0; ++ordinal, devices >>= 1U) {
    if ((devices & 1U) == 0) continue;
    if (!program.table.Look(Kind::kExec, HandleOf(exec, ordinal), &record)) continue;
    const bool outlives = (record.bytes & 1U) != 0;
    Add({.ordinal = ordinal,
         .bytes = record.bytes & ~std::uint64_t{1},
         .outlives = outlives,
         .has_it = may_have_it && !outlives && record.owner == mark_});
  }
  bool any = false;
  for (unsigned i = 0; i < count_; ++i) any = any || parts_[i].has_it;
  if (!any) EndRelaunch();
  TakeAll();
}

GraphLaunch::GraphLaunch(Program& program, Graph graph, std::uint64_t stream)
    : program_(program), mark_(MarkOf(program, stream)) {
  Needs needs = {};
  AddGraph(graph, 0, &needs);
  if (needs.in_part) CountTrouble(program);
  for (Device ordinal = 0; ordinal < kMaxOrdinals; ++ordinal) {
    if (needs.bytes[ordinal] == 0 || WallOf(program, ordinal) == kNoWall) continue;
    Add({.ordinal = ordinal,
         .bytes = needs.bytes[ordinal],
         .outlives = needs.left[ordinal] != 0,
         .has_it = false});
  }
  TakeAll();
}

bool GraphLaunch::outlives() const {
  bool any = false;
  for (unsigned i = 0; i < count_; ++i) any = any || parts_[i].outlives;
  return any;
}

void GraphLaunch::TakeAll() {
  for (unsigned i = 0; i < count_ && !refused_; ++i) {
    Part& part = parts_[i];
    if (part.has_it) continue;
    PoolRecord* record = RecordOf(program_, GraphPool(part.ordinal), part.ordinal);
    if (record == nullptr) continue;
    std::uint64_t taken = 0;
    Taking taking = TakeGrowth(program_, *record, part.ordinal, part.bytes, &taken);
    refused_ = taking.verdict == Verdict::kRefused;
    if (taking.verdict == Verdict::kTaken) part.taken = taken;
    part.under_way.TakeOver(taking.under_way);
  }
  for (unsigned i = 0; i < count_ && refused_; ++i) {
    Give(program_, WallOf(program_, parts_[i].ordinal), parts_[i].taken);
    parts_[i].taken = 0;
  }
}

void GraphLaunch::Done(GraphExec exec, Result result) {
  for (unsigned i = 0; i < count_; ++i) {
    const Part& part = parts_[i];
    if (part.taken != 0) {
      PoolRecord* record = RecordOf(program_, GraphPool(part.ordinal), part.ordinal);
      // It has been launched: what it took beyond all expectation is charged as well.
      if (record != nullptr) (void)SettleGrowth(program_, *record, part.taken);
    }
    if (result != kSuccess) continue;
    const std::uint64_t handle = HandleOf(exec, part.ordinal);
    if (!part.has_it) program_.table.SetOwner(Kind::kExec, handle, mark_);
  }
}

}  // namespace tranche::shim
