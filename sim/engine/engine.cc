#include "sim/engine/engine.h"

#include "sim/engine/parts.h"

namespace tranche::sim::engine {

Engine::Engine(Observer& observer) : parts_(std::make_unique<Parts>(observer)) {}
Engine::~Engine() = default;

UnitId Engine::AddUnit(const Hardware& hardware) { return parts_->AddUnit(hardware); }
void Engine::RemoveUnit(UnitId unit) { parts_->RemoveUnit(unit); }
ContextId Engine::AddContext(UnitId unit) { return parts_->AddContext(unit); }
StreamId Engine::AddStream(ContextId context, StreamKind kind) {
  return parts_->AddStream(context, kind);
}
void Engine::RemoveContext(ContextId context) { parts_->RemoveContext(context); }
void Engine::RemoveStream(StreamId stream) { parts_->RemoveStream(stream); }

void Engine::Submit(StreamId stream, const Task& task) { parts_->Submit(stream, task); }
void Engine::HostDone(StreamId stream, std::uint64_t number, Time at) {
  parts_->HostDone(stream, number, at);
}

Time Engine::now() const { return parts_->now(); }
std::optional<Time> Engine::NextEvent() const { return parts_->NextEvent(); }
void Engine::AdvanceTo(Time time) { parts_->AdvanceTo(time); }
void Engine::ReportComputed() { parts_->ReportComputed(); }
std::size_t Engine::Pending(StreamId stream) const { return parts_->Pending(stream); }

}  // namespace tranche::sim::engine
