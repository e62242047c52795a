#include "cli/reference/pages.h"

#include <fmt/format.h>

#include <span>
#include <string_view>

#include "agent/status/fields.h"
#include "agent/status/metrics.h"
#include "cli/common/defaults.h"
#include "cli/common/exit_status.h"
#include "cli/programs/agent_flags.h"
#include "cli/programs/config_manager_command.h"
#include "cli/programs/feature_discovery_flags.h"
#include "cli/programs/node_command.h"
#include "cli/reference/keys.h"
#include "daemon/reasons.h"
#include "node/status/metrics.h"
#include "node/status/report.h"

namespace tranche::cli::reference {

namespace {

using Row = std::vector<std::string>;

constexpr std::string_view kMade =
    "<!-- Made by `tranche reference --output docs/reference`: change the tables in src/. -->\n\n";

std::string Code(std::string_view text) { return text.empty() ? "" : fmt::format("`{}`", text); }

std::string CodeList(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + Code(word);
  return out;
}

// A sentence of the help, as one of a page.
std::string Sentence(std::string text) {
  if (text.empty()) return text;
  if (text[0] >= 'a' && text[0] <= 'z') text[0] = static_cast<char>(text[0] - 'a' + 'A');
  return text + ".";
}

std::string Line(const Row& cells) {
  std::string out = "|";
  for (std::string cell : cells) {
    for (std::size_t at = 0; (at = cell.find('|', at)) != std::string::npos; at += 2) {
      cell.insert(at, "\\");
    }
    out += cell.empty() ? " |" : " " + cell + " |";
  }
  return out + "\n";
}

std::string Table(const Row& head, const std::vector<Row>& rows) {
  std::string out = Line(head) + "|";
  for (std::size_t i = 0; i < head.size(); ++i) out += "---|";
  out += "\n";
  for (const Row& row : rows) out += Line(row);
  return out;
}

std::string Heading(std::string_view title, std::string_view about) {
  return fmt::format("# {}\n\n{}{}\n", title, kMade, about);
}

std::string ConfigurationPage() {
  std::vector<Row> rows;
  for (const KeyText& key : KeyTexts()) {
    const std::string default_text = DefaultOf(key);
    const bool in_words = !key.default_words.empty();
    rows.push_back(
        {Code(key.path), std::string(key.type), in_words ? default_text : Code(default_text),
         key.flag.empty() ? "" : fmt::format("`--{}`", key.flag), std::string(key.meaning)});
  }
  return Heading("Keys of a config file",
                 "[Configuration](../configuration.md) explains them. A flag that says the same "
                 "beats the file; [flags](flags.md) has\nits variables. `[]` is each item of a "
                 "list.\n") +
         Table({"key", "type", "default", "flag", "meaning"}, rows);
}

std::string FlagTables(const std::vector<common::FlagGroup>& groups) {
  std::string out;
  for (const common::FlagGroup& group : groups) {
    std::vector<Row> rows;
    for (const common::FlagSpec& flag : group.flags) {
      std::vector<std::string> names{"--" + flag.name};
      for (const std::string& alias : flag.aliases) names.push_back("--" + alias);
      Row row{CodeList(flag.environment),
              flag.default_words.empty() ? Code(flag.default_value) : flag.default_words,
              Sentence(flag.help)};
      if (!group.environment_only) row.insert(row.begin(), CodeList(names));
      rows.push_back(std::move(row));
    }
    Row head{"variable", "default", "meaning"};
    if (!group.environment_only) head.insert(head.begin(), "flag");
    out += fmt::format("\n### {}\n\n{}", group.title, Table(head, rows));
  }
  return out;
}

std::vector<Row> OtherVariables() {
  return {
      {"`KUBERNETES_SERVICE_HOST`, `KUBERNETES_SERVICE_PORT`",
       "every program that asks the API "
       "server",
       "Set by the kubelet in each pod: where the API server is. An agent that finds the first "
       "stands by, rather than ends, when a newer one serves the node."},
      {"`NO_COLOR`", "`tranche status`, `kubectl tranche`", "Output without colors."},
      {"`TRANCHE_SIM_NODE`", "the simulated driver library",
       "The state file of the simulated node."},
      {"`TRANCHE_SIM_HOME`", "`tranche sim`, `tranche demo`",
       "Where the parts of the simulated node are."},
      {"`TRANCHE_SIM_KUBELET_CONTROL`", "`tranche sim`", "The small kubelet's control socket."}};
}

std::string FlagsPage() {
  using programs::AgentFlags;
  using programs::AgentName;
  return Heading(
             "Flags and environment variables",
             "Of the programs that run for long. The command line beats the environment, which "
             "beats the config file, which beats\nthe default. A variable that is set but empty "
             "counts as set. Each program also takes `--help` and `--version`;\nwhat the other "
             "commands take, `tranche COMMAND --help` says.\n") +
         "## tranche agent\n" + FlagTables(AgentFlags(AgentName::kTrancheAgent)) +
         "\n## nvidia-device-plugin\n\nThe same program under upstream's name. It takes upstream's "
         "flags only, and everything else of `tranche agent` by\nits variables: another flag is an "
         "error, as with upstream.\n" +
         "\n## gpu-feature-discovery\n" + FlagTables(programs::FeatureDiscoveryFlags()) +
         "\n## config-manager\n" + FlagTables(programs::ConfigManagerFlags()) +
         "\n## tranche node\n" + FlagTables(programs::NodeFlags()) + "\n## Other variables\n\n" +
         Table({"variable", "read by", "meaning"}, OtherVariables());
}

std::string MetricTable(const std::vector<daemon::MetricText>& texts) {
  std::vector<Row> rows;
  rows.reserve(texts.size());
  for (const daemon::MetricText& metric : texts) {
    rows.push_back({Code(metric.name),
                    metric.kind == daemon::MetricKind::kCounter ? "counter" : "gauge",
                    CodeList(metric.labels), metric.help});
  }
  return Table({"metric", "type", "labels", "meaning"}, rows);
}

std::string MetricsPage() {
  return Heading("Metrics",
                 "In Prometheus' text format. A metric without any series is left out. "
                 "\"Whether\" is 1 or 0.\n") +
         "\n## tranche agent\n\nOn `:" + std::to_string(common::kAgentPort) +
         "/metrics` (`--listen`).\n\n" + MetricTable(agent::status::MetricTexts()) +
         "\n## tranche node\n\nOn `:" + std::to_string(common::kNodePort) +
         "/metrics` (`--listen`). `gpu` is the UUID of the GPU or "
         "MIG device.\n\n" +
         MetricTable(node::status::NodeMetricTexts()) +
         "\nUnder the names of NVIDIA's dcgm-exporter (`--dcgm-names`), all of them the "
         "device's:\n\n" +
         MetricTable(node::status::DcgmMetricTexts());
}

std::string EventsPage() {
  std::vector<Row> rows;
  rows.reserve(daemon::kReasons.size());
  for (const daemon::ReasonText& reason : daemon::kReasons) {
    rows.push_back({Code(reason.name), std::string(reason.type), std::string(reason.program),
                    std::string(reason.meaning), std::string(reason.advice)});
  }
  return Heading("Events",
                 "What has happened is in the log, in `status.json` and, with `--events`, in "
                 "Kubernetes Events on the node\n(`kubectl describe node`). config-manager always "
                 "tries to write Events.\n") +
         Table({"reason", "type", "from", "what it means", "what to do"}, rows);
}

std::string FieldTable(std::span<const daemon::StatusField> fields) {
  std::vector<Row> rows;
  rows.reserve(fields.size());
  for (const daemon::StatusField& field : fields) {
    rows.push_back({Code(field.path), std::string(field.type), std::string(field.meaning)});
  }
  return Table({"field", "type", "meaning"}, rows);
}

std::string StatusPage() {
  return Heading("status.json",
                 "What the two programs on a node tell of themselves. Within `tranche.dev/v1` "
                 "fields may be added, but none is\nremoved or given another meaning.\n") +
         "## tranche agent\n\n"
         "The agent writes it to `/run/tranche/status.json` (`--run-dir`) and answers it on "
         "`/status`; `tranche status` shows it.\n\n" +
         FieldTable(agent::status::StatusFields()) +
         "\n## tranche node\n\n"
         "`tranche node` writes it to `/run/tranche/node/status.json` (`--run-dir`) and answers "
         "it on `:" +
         std::to_string(common::kNodePort) +
         "/status` (`--listen`).\nA value that is not known is null, never 0.\n\n" +
         FieldTable(node::status::NodeStatusFields());
}

std::string ExitCodesPage() {
  std::vector<Row> rows;
  for (const common::ExitStatusText& text : common::ExitStatuses()) {
    rows.push_back({Code(text.command), std::string(text.meaning)});
  }
  return Heading("Exit codes",
                 "A command whose words make no sense ends with 2 (the programs that run for long "
                 "with 1, as upstream's do).\n") +
         Table({"command", "exit codes"}, rows);
}

std::string IndexPage() {
  return Heading("Reference",
                 "Made by the program from the tables it works by; a test fails where a page "
                 "differs.\n") +
         "- [Keys of a config file](configuration.md)\n"
         "- [Flags and environment variables](flags.md)\n"
         "- [Metrics](metrics.md)\n"
         "- [Events](events.md)\n"
         "- [status.json](status.md)\n"
         "- [Exit codes](exit-codes.md)\n";
}

}  // namespace

std::vector<Page> ReferencePages() {
  return {{"README.md", IndexPage()},        {"configuration.md", ConfigurationPage()},
          {"flags.md", FlagsPage()},         {"metrics.md", MetricsPage()},
          {"events.md", EventsPage()},       {"status.md", StatusPage()},
          {"exit-codes.md", ExitCodesPage()}};
}

}  // namespace tranche::cli::reference
