// The workloads that there are and the options that they take, for the program, for
// `tranche sim workload` and for both their help.
//
// Threading: constants.
// Errors: none.
#pragma once

#include <array>
#include <string_view>

namespace tranche::sim::workloads {

enum class Kind { kStream, kPaced, kRequests, kGraphs, kCheck, kHold, kStorm, kLeak, kGreedy };

struct WorkloadText {
  std::string_view name;
  Kind kind;
  std::string_view about;
  std::string_view defaults;  // options as if typed before those that are
};

// Times are of the GPU's driver, sizes are device memory.
inline constexpr std::array kWorkloads = {
    WorkloadText{"steady", Kind::kStream, "small kernels, as many as the driver takes",
                 "--kernel 0.5ms --variation 0.3"},
    WorkloadText{"long", Kind::kStream, "long kernels, eight of them queued",
                 "--kernel 200ms --in-flight 8"},
    WorkloadText{"streams", Kind::kStream, "small kernels on many streams in turn",
                 "--kernel 0.5ms --variation 0.3 --streams 16"},
    WorkloadText{"processes", Kind::kStream, "small kernels from several processes at once",
                 "--kernel 0.5ms --variation 0.3 --processes 4"},
    WorkloadText{"paced", Kind::kPaced, "a small kernel every period, as a host-bound program does",
                 "--kernel 0.05ms --variation 0.3 --period 0.15ms"},
    WorkloadText{"requests", Kind::kRequests,
                 "an inference server: a burst of kernels, a wait for them, a time to think",
                 "--kernel 0.5ms --burst 10 --think 5ms"},
    WorkloadText{"graphs", Kind::kGraphs, "the same, each burst launched as one CUDA graph",
                 "--kernel 1ms --burst 100 --think 0.2ms"},
    WorkloadText{"check", Kind::kCheck,
                 "fills, copies and adds arrays, and compares what comes back", "--memory 1Mi"},
    WorkloadText{"hold", Kind::kHold, "takes memory and keeps it", "--memory 1Gi --piece 1Gi"},
    WorkloadText{"storm", Kind::kStorm,
                 "takes and frees pieces of all sizes, as fast as the driver gives them",
                 "--memory 4Gi --piece 64Mi"},
    WorkloadText{"leak", Kind::kLeak, "takes a piece every period and never gives one back",
                 "--piece 256Mi --period 100ms"},
    WorkloadText{"greedy", Kind::kGreedy,
                 "as leak, and when memory is refused goes on asking as if nothing had happened",
                 "--piece 256Mi --period 10ms"},
};

struct OptionText {
  std::string_view name;
  std::string_view value;  // what follows it
  std::string_view about;
  double least = 0;
  double most = 0;  // 0: no limit of its own
};

inline constexpr std::array kOptions = {
    OptionText{"--for", "TIME", "How long, 0.5ms, 10s, 2m or 1h (10s)"},
    OptionText{"--kernel", "TIME", "Time of a kernel alone on the GPU"},
    OptionText{"--variation", "NUMBER",
               "Standard deviation of that time over its mean; lognormal, 0 for none"},
    OptionText{"--period", "TIME", "From one launch, or one piece of memory, to the next; above 0"},
    OptionText{"--burst", "COUNT", "Kernels of a request or a graph; 1 to 1000", 1, 1000},
    OptionText{"--think", "TIME", "Mean time from a request's end to the next, exponential"},
    OptionText{"--memory", "SIZE", "Device memory to take at the start, 512Mi or 76Gi"},
    OptionText{"--piece", "SIZE", "Size of one allocation; the largest one for storm; above 0"},
    OptionText{"--streams", "COUNT", "Streams to launch on in turn; 1 to 1024", 1, 1024},
    OptionText{"--processes", "COUNT",
               "Processes that do the same, forked before CUDA begins; 1 to 256", 1, 256},
    OptionText{"--in-flight", "COUNT",
               "Kernels launched and not done, at most 1000000; 0: no limit", 0, 1000000},
    OptionText{"--device", "INDEX", "Which of the GPUs that the process sees, 0 to 1024 (0)", 0,
               1024},
    OptionText{"--seed", "NUMBER", "For all that is drawn at random, 0 to 4000000000 (1)", 0, 4e9},
    OptionText{"--start-at", "SECONDS", "Begin when CLOCK_MONOTONIC reads this"},
    OptionText{"--output", "FORMAT", "json or text"},
};

}  // namespace tranche::sim::workloads
