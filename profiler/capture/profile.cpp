#include "rooftop/profile.h"

#include <exception>

#include "profiler/capture/session.h"
#include "profiler/core/machine.h"
#include "profiler/core/version.h"

namespace rooftop {

struct Profile::Impl {
  capture::Session session;
  Status status;
};

Profile::Profile(const std::string& path, const std::string& dtype) noexcept {
  try {
    impl_ = std::make_unique<Impl>();
    capture::SessionOptions options;
    options.output = path;
    options.meta = describe_machine();
    options.meta.tool_version = kVersion;
    options.meta.command = "profile";
    options.meta.run = path.substr(path.find_last_of('/') + 1);
    options.meta.dtype = dtype;
    options.meta.devices = {describe_cpu()};
    impl_->status = impl_->session.start(options);
  } catch (const std::exception&) {
    impl_.reset();  // out of memory: ok() and error() say so
  }
}

Profile::~Profile() { finish(); }

void Profile::finish() noexcept {
  if (!impl_ || !impl_->status.ok()) return;
  impl_->status = impl_->session.stop();
}

bool Profile::ok() const noexcept { return impl_ && impl_->status.ok(); }

std::string Profile::error() const {
  return impl_ ? impl_->status.message() : "not enough memory to record";
}

}  // namespace rooftop
