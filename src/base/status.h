// Status and Result are what every function that can fail returns.
//
// A Status is a code plus a message for people; kOk carries no message. A Result<T> is a T, or the
// Status that says why there is none. Both are [[nodiscard]]. Codes have gRPC's canonical numbers
// (https://grpc.github.io/grpc/core/md_doc_statuscodes.html), so that it is what goes over the
// wire.
//
// Threading: plain values, which may be copied to other threads.
// Errors: reading the value of a Result that has none crashes.
#pragma once

#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace tranche::base {

enum class Code {
  kOk = 0,
  kCancelled = 1,
  kUnknown = 2,
  kInvalidArgument = 3,
  kDeadlineExceeded = 4,
  kNotFound = 5,
  kAlreadyExists = 6,
  kPermissionDenied = 7,
  kResourceExhausted = 8,
  kFailedPrecondition = 9,
  kAborted = 10,
  kOutOfRange = 11,
  kUnimplemented = 12,
  kInternal = 13,
  kUnavailable = 14,
  kDataLoss = 15,
};

class [[nodiscard]] Status {
 public:
  Status() = default;  // kOk
  Status(Code code, std::string message) : code_(code), message_(std::move(message)) {}

  static Status Ok() { return {}; }

  [[nodiscard]] bool ok() const { return code_ == Code::kOk; }
  [[nodiscard]] Code code() const { return code_; }
  [[nodiscard]] const std::string& message() const { return message_; }

  // "reading /etc/x: permission denied" from Wrap("reading /etc/x"). An OK status stays OK.
  [[nodiscard]] Status Wrap(std::string_view context) const {
    if (ok()) return *this;
    return {code_, std::string(context) + ": " + message_};
  }

  friend bool operator==(const Status&, const Status&) = default;

 private:
  Code code_ = Code::kOk;
  std::string message_;
};

// The Status of a failed system call: strerror text, code by errno (ENOENT is kNotFound, EACCES and
// EPERM are kPermissionDenied, EEXIST is kAlreadyExists, ENOSPC and EDQUOT are kResourceExhausted,
// the rest kUnavailable).
Status ErrnoStatus(int error_number, std::string_view context);

// Stops the process: for broken invariants only, never for bad input or a bad environment.
[[noreturn]] void Crash(const char* file, int line, std::string_view what);
#define TRANCHE_CHECK(condition)                                              \
  do {                                                                        \
    if (!(condition)) ::tranche::base::Crash(__FILE__, __LINE__, #condition); \
  } while (false)

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}         // NOLINT(google-explicit-constructor)
  Result(Status status) : status_(std::move(status)) {  // NOLINT(google-explicit-constructor)
    TRANCHE_CHECK(!status_.ok());
  }

  [[nodiscard]] bool ok() const { return value_.has_value(); }
  [[nodiscard]] const Status& status() const { return status_; }

  [[nodiscard]] const T& value() const& {
    TRANCHE_CHECK(ok());
    return *value_;
  }
  [[nodiscard]] T& value() & {
    TRANCHE_CHECK(ok());
    return *value_;
  }
  [[nodiscard]] T&& value() && {
    TRANCHE_CHECK(ok());
    return std::move(*value_);
  }
  const T& operator*() const& { return value(); }
  T& operator*() & { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  const T* operator->() const { return &value(); }
  T* operator->() { return &value(); }

 private:
  Status status_;
  std::optional<T> value_;
};

// Returns from the enclosing function when `expression` (a Status) is not OK.
#define TRANCHE_TRY(expression)                                              \
  do {                                                                       \
    if (auto try_status = (expression); !try_status.ok()) return try_status; \
  } while (false)

}  // namespace tranche::base
