// A client's memory: what it reserves, shares and opens.
#include <algorithm>
#include <utility>

#include "sim/driver/client.h"
#include "sim/driver/constants.h"
#include "sim/driver/machine.h"

namespace tranche::sim::driver {
namespace {

using link::Kind;

constexpr std::size_t kMaxReservations = 1U << 20U;  // of one client

}  // namespace

engine::OwnerId Client::OwnerOn(Device& device) {
  const auto [at, is_new] = owners_.try_emplace(&device, 0);
  if (is_new) at->second = machine_.NewOwner();
  return at->second;
}

bool Client::On(const link::Reserve& reserve, Time now) {
  Context* context = FindContext(reserve.context);
  Device* device = context != nullptr ? context->device
                                      : machine_.devices().Find(reserve.slot, reserve.gpu_instance);
  std::uint32_t result = kSuccess;
  if (context == nullptr && reserve.context != link::kWholeGpu) result = kInvalidContext;
  if (context != nullptr && context->error != 0) result = context->error;
  if (result == kSuccess && device == nullptr) result = kInvalidDevice;
  if (result == kSuccess && reserve.bytes == 0) result = kInvalidValue;
  if (result != kSuccess) {
    Answer(Kind::kReserve, link::ReserveAnswer{.result = result});
    return true;
  }
  const engine::OwnerId owner = context != nullptr ? context->owner : OwnerOn(*device);
  const bool small_too =
      reserve.memory == link::MemoryKind::kPlain || reserve.memory == link::MemoryKind::kManaged;
  std::optional<engine::Reservation> got;
  if (held_.size() < kMaxReservations) {
    got = small_too ? device->memory->Reserve(owner, reserve.bytes)
                    : device->memory->ReservePieces(owner, reserve.bytes);
  }
  CountReservation(reserve, *device, context, got ? &*got : nullptr, now);
  if (!got) {
    Answer(Kind::kReserve, link::ReserveAnswer{.result = kOutOfMemory});
    return true;
  }
  const std::uint64_t id = machine_.NewReservation();
  auto memory = std::make_shared<SharedMemory>();
  memory->device = device;
  memory->id = got->id;
  memory->bytes = reserve.bytes;
  held_[id] = {.memory = std::move(memory), .owner = owner, .context = context};
  if (got->taken != 0) machine_.Show(pid());
  Answer(Kind::kReserve, link::ReserveAnswer{.result = kSuccess,
                                             .id = id,
                                             .chunk = got->chunk,
                                             .offset = got->offset,
                                             .taken_bytes = got->taken});
  return true;
}

void Client::CountReservation(const link::Reserve& reserve, Device& device, Context* context,
                              const engine::Reservation* got, Time now) {
  Usage& usage = context != nullptr ? context->account->usage : account_.without_context;
  ++(got != nullptr ? usage.reservations : usage.refused);
  if (got != nullptr) {
    usage.asked_bytes += reserve.bytes;
    usage.taken_bytes += got->taken;
  }
  // What lies in a chunk that its context has already changes nothing that others could see.
  if (got != nullptr && got->taken == 0) return;
  machine_.CountChange();
  NotePeak();
  machine_.log().MemoryChanged(account_,
                               {.what = got != nullptr ? "taken" : "refused",
                                .slot = device.slot,
                                .gpu_instance = device.gpu_instance,
                                .context = context != nullptr ? context->account->number : 0,
                                .asked = reserve.bytes,
                                .taken = got != nullptr ? got->taken : 0,
                                .free = device.memory->Free()},
                               now);
}

void Client::NotePeak() {
  std::uint64_t taken = 0;
  for (const auto& context : contexts_) {
    if (context != nullptr) taken += context->device->memory->Of(context->owner).taken;
  }
  for (const auto& [device, owner] : owners_) taken += device->memory->Of(owner).taken;
  account_.memory_peak = std::max(account_.memory_peak, taken);
}

bool Client::On(const link::Release& release, Time now) {
  const auto at = held_.find(release.id);
  if (at == held_.end()) return AnswerResult(Kind::kRelease, kInvalidValue);
  const Held held = std::move(at->second);
  held_.erase(at);
  const engine::DeviceMemory& memory = *held.memory->device->memory;
  const std::uint64_t before = memory.Free();
  held.memory->device->memory->Release(held.memory->id, held.owner);
  if (memory.Free() != before) {
    machine_.CountChange();
    machine_.Show(pid());
    machine_.log().MemoryChanged(
        account_,
        {.what = "freed",
         .slot = held.memory->device->slot,
         .gpu_instance = held.memory->device->gpu_instance,
         .context = held.context != nullptr ? held.context->account->number : 0,
         .asked = held.memory->bytes,
         .taken = memory.Free() - before,
         .free = memory.Free()},
        now);
  }
  return AnswerResult(Kind::kRelease, kSuccess);
}

bool Client::On(const link::MemoryInfo& info, Time) {
  const Device* device = machine_.devices().Find(info.slot, info.gpu_instance);
  link::MemoryInfoAnswer answer{.result = kInvalidDevice};
  if (device != nullptr) {
    answer = {.result = kSuccess,
              .free_bytes = device->memory->Free(),
              .total_bytes = device->memory->capacity()};
  } else if (const std::uint32_t lost = machine_.devices().ErrorOf(info.slot); lost != kSuccess) {
    answer.result = lost;
  }
  Answer(Kind::kMemoryInfo, answer);
  return true;
}

bool Client::On(const link::Share& share, Time) {
  if (descriptors_->empty()) return false;
  base::UniqueFd content = std::move(descriptors_->front());
  descriptors_->erase(descriptors_->begin());
  link::ShareAnswer answer{.result = kInvalidValue};
  const auto at = held_.find(share.id);
  if (at != held_.end()) {
    const std::shared_ptr<SharedMemory>& memory = at->second.memory;
    answer.result = kOperatingSystem;
    if (machine_.shared().Share(memory, std::move(content), kept_)) {
      answer = {.result = kSuccess, .key = {memory->key[0], memory->key[1]}};
    }
  }
  Answer(Kind::kShare, answer);
  return true;
}

bool Client::On(const link::OpenShared& open, Time) {
  auto memory = machine_.shared().Find(open.key);
  link::OpenSharedAnswer answer{.result = kInvalidHandle};
  int content = -1;
  if (memory != nullptr && memory->device->usable && held_.size() < kMaxReservations) {
    const engine::OwnerId owner = OwnerOn(*memory->device);
    if (memory->device->memory->Share(memory->id, owner)) {
      const std::uint64_t id = machine_.NewReservation();
      content = memory->content.get();
      answer = {.result = kSuccess, .slot = memory->device->slot, .id = id, .bytes = memory->bytes};
      held_[id] = {.memory = std::move(memory), .owner = owner, .context = nullptr};
    }
  }
  Answer(Kind::kOpenShared, answer, content);
  return true;
}

std::uint64_t Client::TakenWithoutContext(const Device& device) const {
  const auto at = owners_.find(const_cast<Device*>(&device));
  return at == owners_.end() ? 0 : device.memory->Of(at->second).taken;
}

}  // namespace tranche::sim::driver
