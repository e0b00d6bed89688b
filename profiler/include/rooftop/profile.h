// Records this process from within: a few lines for a program that opens scopes through
// rooftop/nvtx.h and links Rooftop. Engines that do not want to link anything are recorded from
// outside instead.
#ifndef ROOFTOP_PROFILE_H
#define ROOFTOP_PROFILE_H

#include <memory>
#include <string>

namespace rooftop {

// Records from construction to destruction (or finish()) into a trace file, for `rooftop report`.
// Never throws and never disturbs the program: where something fails, ok() is false and error()
// says in one sentence what.
class Profile {
 public:
  // `path`: the .rtrace file to write. `dtype`: type that the program computes in ("f32", "bf16",
  // "f16"), which picks the compute roof. Operators are taken to run on the CPU, within their
  // scopes.
  explicit Profile(const std::string& path, const std::string& dtype = "f32") noexcept;
  ~Profile();
  Profile(const Profile&) = delete;
  Profile& operator=(const Profile&) = delete;

  // Stops recording and completes the file.
  void finish() noexcept;

  [[nodiscard]] bool ok() const noexcept;
  [[nodiscard]] std::string error() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rooftop

#endif  // ROOFTOP_PROFILE_H
