// An outlet of labels over an API server in memory, for the tests of the outlets.
//
// Threading: the test's thread, which runs the loop.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "apiserver/testing/fake_api.h"
#include "base/json.h"
#include "base/status.h"
#include "base/testing/fake_loop.h"
#include "labels/outlet.h"

namespace tranche::labels::testing {

inline const Labels kFour{{"nvidia.com/gpu.count", "2"}, {"nvidia.com/gpu.replicas", "4"}};
inline const Labels kEight{{"nvidia.com/gpu.count", "2"}, {"nvidia.com/gpu.replicas", "8"}};

inline base::Json Parsed(std::string_view text) { return *base::Json::Parse(text); }

// The texts that a JSON object holds.
inline Labels Texts(const base::Json* object) {
  Labels out;
  if (object == nullptr || !object->is_object()) return out;
  for (const auto& [key, value] : object->as_object()) out[key] = value.as_string();
  return out;
}

class OutletTest : public ::testing::Test {
 protected:
  LabelOutlet::StateChanged StateChanged() {
    return [this](const base::Status& status) { states_.push_back(status.code()); };
  }
  // Writes so far, of any kind.
  int Writes() {
    return api_.Count(apiserver::Method::kPost, "/") + api_.Count(apiserver::Method::kPut, "/") +
           api_.Count(apiserver::Method::kPatch, "/");
  }

  base::testing::FakeLoop loop_;
  apiserver::testing::FakeApi api_{loop_};
  std::vector<base::Code> states_;
};

}  // namespace tranche::labels::testing
