// The one exception of the offline side: input or usage that cannot be used. Its message is one
// clear sentence that names the input and says what to do; the command prints it and exits with
// status 2. Code that runs inside a profiled process (trace writer, capture) never throws: it
// returns Status.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace rooftop {

class InputError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Success, or one sentence about what failed. Used where exceptions are not allowed.
class [[nodiscard]] Status {
 public:
  Status() = default;
  static Status failed(std::string message) {
    Status s;
    s.message_ = std::move(message);
    s.ok_ = false;
    return s;
  }
  [[nodiscard]] bool ok() const noexcept { return ok_; }
  [[nodiscard]] const std::string& message() const noexcept { return message_; }

 private:
  bool ok_ = true;
  std::string message_;
};

}  // namespace rooftop
