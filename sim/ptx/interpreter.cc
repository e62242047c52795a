#include "sim/ptx/interpreter.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "sim/ptx/arithmetic.h"
#include "sim/ptx/code.h"

namespace tranche::sim::ptx {
namespace {

constexpr std::uint64_t kMaxHostBytes = 256U << 20U;
constexpr std::uint64_t kMaxShared = 256U << 10U;

// A thread of the block that runs.
struct Thread {
  std::uint64_t* frame = nullptr;
  std::uint8_t* local = nullptr;
  std::uint32_t next = 0;  // instruction
  bool ended = false;
  bool has_time = false;
};

class Machine {
 public:
  Machine(const Kernel& kernel, const Launch& launch, Memory& memory)
      : kernel_(kernel), code_(*kernel.code), launch_(launch), memory_(memory) {}

  Ending Run() {
    if (!MakeRoom()) return {.end = End::kTooLarge};
    std::uint32_t at[3] = {};
    for (at[2] = 0; at[2] < launch_.grid[2]; ++at[2]) {
      for (at[1] = 0; at[1] < launch_.grid[1]; ++at[1]) {
        for (at[0] = 0; at[0] < launch_.grid[0]; ++at[0]) {
          if (!RunBlock(at)) return ending_;
        }
      }
    }
    return ending_;
  }

 private:
  bool MakeRoom() {
    block_threads_ = std::uint64_t{launch_.block[0]} * launch_.block[1] * launch_.block[2];
    const std::uint64_t slots = code_.FrameSlots();
    const std::uint64_t held = code_.has_barrier ? block_threads_ : 1;
    const std::uint64_t shared = code_.dynamic_shared + launch_.dynamic_shared;
    if (shared > kMaxShared || held > kMaxHostBytes / (slots * 8 + kernel_.local_bytes)) {
      return false;
    }
    shared_.resize(shared);
    frames_.resize(held * slots);
    locals_.resize(held * kernel_.local_bytes);
    threads_.resize(held);
    for (std::uint64_t i = 0; i < held; ++i) {
      threads_[i].frame = frames_.data() + i * slots;
      threads_[i].local = locals_.data() + i * kernel_.local_bytes;
    }
    // What all threads start from.
    start_.resize(slots);
    for (std::size_t i = 0; i < code_.constants.size(); ++i) {
      const Constant& constant = code_.constants[i];
      std::uint64_t value = constant.value;
      if (constant.kind == ConstantKind::kVariable) {
        value +=
            constant.variable < launch_.variables.size() ? launch_.variables[constant.variable] : 0;
      }
      start_[code_.registers + i] = value;
    }
    for (unsigned i = 0; i < 3; ++i) {
      SetSpecial(Special::kNtidX, i, launch_.block[i]);
      SetSpecial(Special::kNctaidX, i, launch_.grid[i]);
    }
    SetSpecial(Special::kDynamicShared, 0, launch_.dynamic_shared);
    return true;
  }

  void SetSpecial(Special first, unsigned plus, std::uint64_t value) {
    start_[code_.SpecialSlot(first) + plus] = value;
  }

  bool RunBlock(const std::uint32_t (&at)[3]) {
    for (unsigned i = 0; i < 3; ++i) SetSpecial(Special::kCtaidX, i, at[i]);
    std::fill(shared_.begin(), shared_.end(), 0);
    if (!code_.has_barrier) {
      for (std::uint64_t number = 0; number < block_threads_; ++number) {
        Start(threads_[0], number);
        if (!RunThread(threads_[0])) return false;
      }
      return true;
    }
    for (std::uint64_t number = 0; number < block_threads_; ++number)
      Start(threads_[number], number);
    for (bool running = true; running;) {
      running = false;
      for (Thread& thread : threads_) {
        if (thread.ended) continue;
        if (!RunThread(thread)) return false;
        running = running || !thread.ended;
      }
    }
    return true;
  }

  void Start(Thread& thread, std::uint64_t number) {
    SetSpecial(Special::kTidX, 0, number % launch_.block[0]);
    SetSpecial(Special::kTidX, 1, number / launch_.block[0] % launch_.block[1]);
    SetSpecial(Special::kTidX, 2, number / launch_.block[0] / launch_.block[1]);
    SetSpecial(Special::kLane, 0, number % 32);
    SetSpecial(Special::kWarp, 0, number / 32);
    std::copy(start_.begin(), start_.end(), thread.frame);
    std::fill_n(thread.local, kernel_.local_bytes, std::uint8_t{0});
    thread.next = 0;
    thread.ended = false;
    thread.has_time = false;
  }

  bool Fail(End end, std::uint64_t address = 0) {
    ending_.end = end;
    ending_.address = address;
    return false;
  }

  // To the end of the thread or to a barrier; false: the whole kernel has ended badly.
  bool RunThread(Thread& thread) {
    std::uint64_t* const frame = thread.frame;
    const Instruction* const instructions = code_.instructions.data();
    for (;;) {
      const Instruction& instruction = instructions[thread.next++];
      if (++ending_.steps > launch_.max_steps) return Fail(End::kTooLong);
      if (instruction.guard != kNoSlot &&
          ((frame[instruction.guard] & 1U) != 0) == instruction.guard_negated) {
        continue;
      }
      switch (instruction.op) {
        case Op::kLoad:
        case Op::kStore:
        case Op::kAtomic:
          if (!Access(thread, instruction)) return false;
          break;
        case Op::kBranch:
          thread.next = instruction.target;
          break;
        case Op::kTimer:
          frame[instruction.d] = thread.has_time ? launch_.ends_ns : launch_.begins_ns;
          thread.has_time = true;
          break;
        case Op::kExit:
          thread.ended = true;
          return true;
        case Op::kBarrier:
          return true;
        case Op::kTrap:
          return Fail(End::kTrap);
        default:
          Compute(instruction, frame);
      }
    }
  }

  bool Access(Thread& thread, const Instruction& instruction) {
    std::uint64_t* const frame = thread.frame;
    const unsigned size = SizeOf(instruction.type);
    const std::uint64_t address =
        frame[instruction.a] + static_cast<std::uint64_t>(instruction.offset);
    std::uint8_t* const place =
        Place(thread, instruction.space, address, size, instruction.op != Op::kLoad);
    if (place == nullptr) return Fail(End::kIllegalAddress, address);
    if (address % instruction.bits != 0) return Fail(End::kMisaligned, address);
    std::uint64_t value = 0;
    if (instruction.op == Op::kStore) {
      std::memcpy(place, &frame[instruction.b], size);
      return true;
    }
    std::memcpy(&value, place, size);
    if (instruction.op == Op::kAtomic) {
      const std::uint64_t c = instruction.c == kNoSlot ? 0 : frame[instruction.c];
      const std::uint64_t after = ComputeAtomic(instruction, value, frame[instruction.b], c);
      std::memcpy(place, &after, size);
      if (instruction.d == kNoSlot) return true;
    }
    frame[instruction.d] = Extend(instruction.type, value);
    return true;
  }

  // Where `size` bytes at an address are in this process; none: they are not the kernel's.
  std::uint8_t* Place(Thread& thread, Space space, std::uint64_t address, unsigned size,
                      bool write) {
    if (space == Space::kGeneric) {
      const std::uint64_t window = address & kWindowMask;
      if (window == kSharedWindow) space = Space::kShared;
      if (window == kLocalWindow) space = Space::kLocal;
      if (window == kParamWindow) space = Space::kParam;
      if (space != Space::kGeneric) address -= window;
    }
    switch (space) {
      case Space::kShared:
        return Within(shared_.data(), shared_.size(), address & 0xFFFFFFFF, size);
      case Space::kLocal:
        return Within(thread.local, kernel_.local_bytes, address, size);
      case Space::kParam:
        if (write) return nullptr;
        return Within(const_cast<std::uint8_t*>(launch_.params.data()), launch_.params.size(),
                      address, size);
      case Space::kGeneric:
      case Space::kGlobal:
        break;
    }
    for (const Memory::Range& range : recent_) {
      if (address >= range.begin && address < range.end) return In(range, address, size);
    }
    Memory::Range range;
    if (!memory_.Find(address, &range)) return nullptr;
    recent_[oldest_] = range;
    oldest_ = (oldest_ + 1) % kRecent;
    return In(range, address, size);
  }

  static std::uint8_t* Within(std::uint8_t* bytes, std::uint64_t limit, std::uint64_t at,
                              unsigned size) {
    return at <= limit && size <= limit - at ? bytes + at : nullptr;
  }
  static std::uint8_t* In(const Memory::Range& range, std::uint64_t address, unsigned size) {
    if (address < range.begin) return nullptr;
    return Within(range.bytes, range.end - range.begin, address - range.begin, size);
  }

  static constexpr std::size_t kRecent = 6;

  const Kernel& kernel_;
  const Code& code_;
  const Launch& launch_;
  Memory& memory_;
  std::uint64_t block_threads_ = 0;
  std::vector<std::uint64_t> start_;
  std::vector<std::uint64_t> frames_;
  std::vector<std::uint8_t> locals_;
  std::vector<std::uint8_t> shared_;
  std::vector<Thread> threads_;
  Memory::Range recent_[kRecent];
  std::size_t oldest_ = 0;
  Ending ending_;
};

}  // namespace

Ending Interpret(const Kernel& kernel, const Launch& launch, Memory& memory) {
  if (!kernel.has_effects) return {};
  return Machine(kernel, launch, memory).Run();
}

}  // namespace tranche::sim::ptx
