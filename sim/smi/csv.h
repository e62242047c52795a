// Prints the chosen columns of rows of some kind as comma-separated values, as nvidia-smi does.
//
// Threading: one thread.
// Errors: a column that there is not is named, and nothing is printed.
#pragma once

#include <cstdio>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "sim/smi/library.h"

namespace tranche::sim::smi {

template <typename Row>
struct Column {
  std::vector<std::string> names;  // the first is the header's
  std::string unit;                // "MiB", "%", "W"; "" where it has none
  std::function<std::optional<std::string>(const Row&)> value;
};

template <typename Row>
class Csv {
 public:
  // False, with a word on stderr: a field is none of the columns.
  bool Choose(const std::vector<Column<Row>>& columns, const std::string& fields,
              const std::string& format) {
    header_ = format.find("noheader") == std::string::npos;
    units_ = format.find("nounits") == std::string::npos;
    for (const std::string& field : SplitAtCommas(fields)) {
      bool found = false;
      for (const Column<Row>& column : columns) {
        for (const std::string& name : column.names) {
          if (name != field) continue;
          chosen_.push_back(column);
          chosen_.back().names.front() = field;
          found = true;
        }
      }
      if (!found) {
        std::fprintf(stderr, "Field \"%s\" is not a valid field to query.\n", field.c_str());
        return false;
      }
    }
    return true;
  }

  void PrintHeader() const {
    if (!header_) return;
    Line([](const Column<Row>& column) {
      return column.unit.empty() ? column.names.front()
                                 : column.names.front() + " [" + column.unit + "]";
    });
  }

  void Print(const Row& row) const {
    Line([&](const Column<Row>& column) -> std::string {
      const std::optional<std::string> value = column.value(row);
      if (!value) return "[N/A]";
      return units_ && !column.unit.empty() ? *value + " " + column.unit : *value;
    });
  }

 private:
  template <typename Text>
  void Line(Text text) const {
    for (std::size_t i = 0; i < chosen_.size(); ++i) {
      std::printf("%s%s", i == 0 ? "" : ", ", text(chosen_[i]).c_str());
    }
    std::puts("");
  }

  std::vector<Column<Row>> chosen_;
  bool header_ = true;
  bool units_ = true;
};

}  // namespace tranche::sim::smi
