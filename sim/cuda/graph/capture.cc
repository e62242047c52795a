#include "sim/cuda/graph/capture.h"

#include <unistd.h>

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "sim/cuda/library.h"

namespace tranche::sim::cuda {
namespace {

using Tips = CaptureSession::Tips;

std::vector<std::weak_ptr<CaptureSession>>& Sessions() {
  static auto* const sessions = new std::vector<std::weak_ptr<CaptureSession>>();
  return *sessions;
}

template <typename Visit>
void ForEachSession(Visit visit) {
  std::erase_if(Sessions(), [](const auto& session) { return session.expired(); });
  for (const auto& session : std::vector(Sessions())) {
    if (const auto locked = session.lock(); locked != nullptr) visit(*locked);
  }
}

Result Refuse(CaptureSession& session, Result why) {
  session.invalidated = true;
  return why;
}

// The streams are no longer captured. Ends the session, where nobody else keeps it.
void Release(const std::shared_ptr<CaptureSession>& session) {
  for (const auto& [stream, tips] : session->streams) stream->capture.reset();
  session->streams.clear();
}

void Add(const Tips& more, Tips* tips) {
  for (const GraphNode node : more) {
    if (std::find(tips->begin(), tips->end(), node) == tips->end()) tips->push_back(node);
  }
}

Result AddCaptured(CaptureSession& session, StreamObject& stream, NodeObject made) {
  Tips& tips = session.streams[&stream];
  NodeObject* node = nullptr;
  const Result added =
      AddNode(*session.graph, tips.data(), nullptr, tips.size(), std::move(made), &node);
  if (added != kSuccess) return Refuse(session, added);
  tips = {node->handle};
  return kSuccess;
}

GraphNodeType TypeOf(link::Work work) {
  switch (work) {
    case link::Work::kKernel:
      return kNodeKernel;
    case link::Work::kCopyToDevice:
    case link::Work::kCopyToHost:
    case link::Work::kCopyOnDevice:
      return kNodeMemcpy;
    case link::Work::kFill:
      return kNodeMemset;
    case link::Work::kHost:
      return kNodeHost;
    default:
      return kNodeBatchMemOp;
  }
}

// Whether all of `nodes` are among `tips` or come before one of them.
bool LeadTo(const Tips& nodes, const Tips& tips) {
  std::unordered_set<const NodeObject*> seen;
  std::vector<const NodeObject*> open;
  for (const GraphNode tip : tips) open.push_back(Nodes().Find(tip));
  while (!open.empty()) {
    const NodeObject* const node = open.back();
    open.pop_back();
    if (node == nullptr || !seen.insert(node).second) continue;
    for (const Edge& edge : node->before) open.push_back(edge.from);
  }
  return std::all_of(nodes.begin(), nodes.end(),
                     [&](GraphNode node) { return seen.contains(Nodes().Find(node)); });
}

bool IsJoined(const CaptureSession& session) {
  const Tips& end = session.streams.at(session.origin);
  return LeadTo(session.left, end) &&
         std::all_of(session.streams.begin(), session.streams.end(),
                     [&](const auto& stream) { return LeadTo(stream.second, end); });
}

// Work in the context's default stream would wait for what is captured in its blocking streams.
Result AllowsDefaultStream(StreamObject& stream) {
  if (stream.kind != StreamKind::kLegacy) return kSuccess;
  Result result = kSuccess;
  for (StreamObject* const other : stream.context->streams) {
    if (other->kind == StreamKind::kBlocking && other->capture != nullptr) {
      result = Refuse(*other->capture, kStreamCaptureImplicit);
    }
  }
  return result;
}

}  // namespace

CaptureMode& ModeOfThread() {
  static thread_local CaptureMode mode = kCaptureGlobal;
  return mode;
}

Result CaptureOperation(StreamObject& stream, const Operation& operation) {
  CaptureSession& session = *stream.capture;
  if (session.invalidated) return kStreamCaptureInvalidated;
  NodeObject made{.parameters = operation.node, .operation = operation};
  made.operation.node = nullptr;
  if (made.parameters == nullptr) {
    auto parameters = std::make_shared<NodeParameters>();
    parameters->type = TypeOf(operation.work);
    made.parameters = std::move(parameters);
  }
  return AddCaptured(session, stream, std::move(made));
}

Result CaptureGraph(StreamObject& stream, const GraphObject& graph) {
  CaptureSession& session = *stream.capture;
  if (session.invalidated) return kStreamCaptureInvalidated;
  NodeObject made;
  if (const Result set = SetChild(graph, &made); set != kSuccess) return Refuse(session, set);
  return AddCaptured(session, stream, std::move(made));
}

Result CaptureRecord(StreamObject& stream, EventObject& event) {
  CaptureSession& session = *stream.capture;
  if (session.invalidated) return kStreamCaptureInvalidated;
  session.events[&event] = session.streams[&stream];
  event.capture = stream.capture;
  return kSuccess;
}

Result CaptureWait(StreamObject& stream, EventObject& event) {
  const std::shared_ptr<CaptureSession> session = event.capture.lock();
  if (stream.capture != nullptr) {
    if (stream.capture->invalidated) return kStreamCaptureInvalidated;
    if (session == nullptr) {
      return event.recorded ? Refuse(*stream.capture, kStreamCaptureIsolation) : kSuccess;
    }
    if (session != stream.capture) {
      session->invalidated = true;
      return Refuse(*stream.capture, kStreamCaptureMerge);
    }
  } else {
    if (session->invalidated) return kStreamCaptureInvalidated;
    if (stream.kind == StreamKind::kLegacy) return Refuse(*session, kStreamCaptureImplicit);
    stream.capture = session;
  }
  Add(session->events[&event], &session->streams[&stream]);
  return kSuccess;
}

Result AllowsWork(StreamObject& stream) { return AllowsDefaultStream(stream); }

Result AllowsWait(StreamObject& stream) {
  if (stream.capture != nullptr) return Refuse(*stream.capture, kStreamCaptureUnsupported);
  return AllowsDefaultStream(stream);
}

Result AllowsWait(EventObject& event) {
  const std::shared_ptr<CaptureSession> session = event.capture.lock();
  return session == nullptr ? kSuccess : Refuse(*session, kCapturedEvent);
}

Result AllowsWait(ContextObject& context) {
  Result result = kSuccess;
  for (StreamObject* const stream : context.streams) {
    if (stream->capture == nullptr) continue;
    result = Refuse(*stream->capture, kStreamCaptureUnsupported);
  }
  return result;
}

Result AllowsUnsafeCall(Process& /*process*/) {
  const CaptureMode mode = ModeOfThread();
  if (mode == kCaptureRelaxed) return kSuccess;
  const int thread = gettid();
  Result result = kSuccess;
  ForEachSession([&](CaptureSession& session) {
    const bool mine = session.thread == thread && session.mode != kCaptureRelaxed;
    const bool global = mode == kCaptureGlobal && session.mode == kCaptureGlobal;
    if (mine || global) result = Refuse(session, kStreamCaptureUnsupported);
  });
  return result;
}

// A stream that the capture has spread to may go; the one in which it began takes it along.
void CaptureStreamDestroyed(StreamObject& stream) {
  const std::shared_ptr<CaptureSession> session = std::exchange(stream.capture, nullptr);
  if (session == nullptr) return;
  Add(session->streams[&stream], &session->left);
  session->streams.erase(&stream);
  if (session->origin != &stream) return;
  Release(session);
  if (!session->into_given_graph) ForgetGraph(session->graph);
}

Result BeginCapture(StreamObject& stream, CaptureMode mode, std::shared_ptr<GraphObject> graph,
                    const GraphNode* dependencies, std::size_t count) {
  static std::uint64_t last_id = 0;
  if (stream.kind == StreamKind::kLegacy) return kStreamCaptureUnsupported;
  if (stream.capture != nullptr) return kIllegalState;
  auto session = std::make_shared<CaptureSession>();
  Tips tips;
  for (std::size_t i = 0; i < count; ++i) {
    const NodeObject* const node = Nodes().Find(dependencies[i]);
    if (node == nullptr || node->graph != graph.get()) return kInvalidValue;
    Add({dependencies[i]}, &tips);
  }
  session->id = ++last_id;
  session->mode = mode;
  session->thread = gettid();
  session->origin = &stream;
  session->into_given_graph = graph != nullptr;
  session->graph = graph != nullptr ? std::move(graph) : NewGraph();
  session->streams.emplace(&stream, std::move(tips));
  Sessions().push_back(session);
  stream.capture = std::move(session);
  return kSuccess;
}

Result EndCapture(StreamObject& stream, Graph* graph) {
  const std::shared_ptr<CaptureSession> session = stream.capture;
  if (session == nullptr) return kIllegalState;
  if (session->mode != kCaptureRelaxed && session->thread != gettid()) {
    return kStreamCaptureWrongThread;
  }
  if (session->origin != &stream) return Refuse(*session, kStreamCaptureUnmatched);
  Result result = kSuccess;
  if (session->invalidated) {
    result = kStreamCaptureInvalidated;
  } else if (!IsJoined(*session)) {
    result = kStreamCaptureUnjoined;
  }
  Release(session);
  *graph = result == kSuccess ? session->graph->handle : nullptr;
  if (result != kSuccess && !session->into_given_graph) ForgetGraph(session->graph);
  return result;
}

}  // namespace tranche::sim::cuda
