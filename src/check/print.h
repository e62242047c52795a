// What tranche-check says: as lines for people, or as JSON.
//
// Threading: plain functions.
// Errors: what does not fit is left out.
#pragma once

#include <cstddef>
#include <string_view>

#include "check/libraries.h"
#include "check/node_program.h"
#include "hook/text.h"

namespace tranche::check {

using Text = hook::Line<262143>;

// Whether the libcuda that programs get by its name is a shim, and the node program gives limits.
bool IsWalled(const Libraries& libraries, const Answer& answer);

void PrintText(const Libraries& libraries, const Answer& answer, Text* to);
void PrintJson(const Libraries& libraries, const Answer& answer, Text* to);

}  // namespace tranche::check
