// Answers nvidia-smi's --query-…=FIELD,… --format=csv[,noheader][,nounits]: about GPUs, about the
// processes that compute on them, and about those that accounting knows.
//
// Threading: one thread.
// Errors: the exit code for the program. A value that a GPU has not is [N/A].
#pragma once

#include <string>

#include "sim/smi/library.h"

namespace tranche::sim::smi {

struct Query {
  std::string fields;
  std::string format = "csv";
  std::string only;  // GPUs; "": all
};

int QueryGpus(const Table& table, const Query& query);
int QueryComputeApplications(const Table& table, const Query& query);
int QueryAccountedApplications(const Table& table, const Query& query);

}  // namespace tranche::sim::smi
