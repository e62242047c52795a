// Interprets the replies and paths of the API server.
//
// Threading: plain functions, safe on any thread.
// Errors: a Status with the server's own words. The bytes come from outside.
#pragma once

#include <string>
#include <string_view>

#include "apiserver/client.h"
#include "apiserver/http.h"
#include "base/json.h"
#include "base/status.h"

namespace tranche::apiserver {

// The Status that a metav1.Status object reports: `http_code` and `reason` say which code.
base::Status StatusOf(int http_code, const base::Json& status);

// The reply's object (or text), or the failure that it reports.
base::Result<base::Json> ReadReply(HttpReply reply, ReplyForm form);

// As StatusOf, from the reply of a request that failed.
base::Status FailureOf(const HttpReply& reply);

// The Accept header. The server refuses a list for one object and the other way round, so what the
// path names decides: https://kubernetes.io/docs/reference/using-api/api-concepts/
std::string AcceptHeader(std::string_view path, ReplyForm form);
bool NamesCollection(std::string_view path);

}  // namespace tranche::apiserver
