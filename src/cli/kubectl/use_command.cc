#include "cli/kubectl/use_command.h"

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/common/exit_status.h"

namespace tranche::cli::kubectl {

namespace {

using Run = std::function<void(const UseOptions&, const UseForms&)>;

// The flags of both commands; `usual_sort` is the command's own.
CLI::App* AddUse(CLI::App& app, std::string& output, const Run& run, const std::string& name,
                 const std::string& what, const std::string& usual_sort, UseForms forms) {
  struct Typed {
    UseOptions options;
    std::string sort;
  };
  auto typed = std::make_shared<Typed>();
  typed->sort = usual_sort;
  CLI::App* command = app.add_subcommand(name, what);
  command->add_option("NODE", typed->options.nodes, "Only these nodes");
  command->add_option("-n,--namespace", typed->options.pod_namespace,
                      "Only pods of this namespace (all)");
  command->add_flag("-A,--all-namespaces", typed->options.all_namespaces,
                    "Pods of all namespaces (the default)");
  command->add_option("--sort", typed->sort, "busy, memory, idle or name")
      ->check(CLI::IsMember({"busy", "memory", "idle", "name"}))
      ->capture_default_str();
  command->add_option("--tranche-namespace", typed->options.tranche_namespace,
                      "Where tranche-node's pods are (any namespace)");
  command->add_option("-o,--output", output, "table, wide, json, yaml or name")
      ->check(CLI::IsMember({"table", "wide", "json", "yaml", "name"}))
      ->capture_default_str();
  command->callback([typed, forms, run] {
    typed->options.sort = top::ParseSort(typed->sort).value_or(top::Sort::kBusy);
    if (typed->options.all_namespaces) typed->options.pod_namespace.clear();
    run(typed->options, forms);
  });
  return command;
}

void AddTop(CLI::App& app, std::string& output, const Run& run) {
  AddUse(app, output, run, "top", "GPUs and the pods that use them, by use", "busy",
         {.table = ShowTop, .document = TopDocument})
      ->footer(
          "It asks tranche node on each node, by the API server, with your own rights: to list\n"
          "pods, and to get pods/proxy where tranche-node's pods are.\n" +
          common::ExitStatus("kubectl tranche top") +
          "Examples:\n"
          "  kubectl tranche top\n"
          "  kubectl tranche top -n team-a --sort memory\n"
          "  kubectl tranche top gpu-node -o wide\n"
          "  kubectl tranche top -o json | jq '.nodes[].status.devices[].busyPercent'");
}

void AddPods(CLI::App& app, std::string& output, const Run& run) {
  AddUse(app, output, run, "pods", "Which pods share which GPU", "name",
         {.table = ShowPods, .document = PodsDocument})
      ->footer("It takes the rights of `kubectl tranche top`.\n" +
               common::ExitStatus("kubectl tranche pods") +
               "Examples:\n"
               "  kubectl tranche pods\n"
               "  kubectl tranche pods -n team-a gpu-node\n"
               "  kubectl tranche pods -o json | jq '.items[] | select(.busyPercent == 0) | .pod'");
}

}  // namespace

void AddUseCommands(CLI::App& app, std::string& output, const Run& run) {
  AddTop(app, output, run);
  AddPods(app, output, run);
}

}  // namespace tranche::cli::kubectl
