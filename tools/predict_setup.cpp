#include "tools/predict_setup.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

#include "profiler/core/error.h"
#include "profiler/predict/calibrate.h"

namespace rooftop::tools {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostCoefficientBytes = std::size_t{4} << 20;

// The file's text where it holds saved coefficients, that is JSON; empty for anything else.
std::string coefficients_text(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) throw InputError(fmt::format("{}: cannot be read", file));
  if (in.peek() != '{') return {};
  std::string text(kMostCoefficientBytes, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  return text;
}

}  // namespace

predict::Samples read_samples(const std::vector<std::string>& files, const DeviceTable& devices) {
  predict::Samples samples;
  for (const std::string& file : files) predict::add_samples(samples, file, devices);
  return samples;
}

predict::Calibration choose_calibration(const std::vector<std::string>& files,
                                        const DeviceTable& devices) {
  if (files.empty()) return predict::built_in_calibration();
  const std::string text = coefficients_text(files.front());
  if (!text.empty()) {
    if (files.size() > 1) {
      throw InputError(
          fmt::format("{}: saved coefficients stand alone: give --calibrate once", files.front()));
    }
    return predict::parse_calibration(text, files.front());
  }
  std::string source;
  for (const std::string& file : files) {
    if (!source.empty()) source += ", ";
    source += fs::path(file).filename().string();
  }
  return predict::calibrate(read_samples(files, devices), devices, source);
}

std::string picture_name(const ModelShape& shape, const DeviceSpec& device) {
  std::string name = shape.name;
  // A folder's or file's name may hold anything.
  std::ranges::replace_if(
      name, [](char c) { return c == '/' || static_cast<unsigned char>(c) < 0x20; }, '_');
  return name + "_" + device.id;
}

TraceOutput::TraceOutput(const std::string& output) {
  trace_only_ = output.ends_with(".rtrace");
  if (trace_only_) {
    path_ = output;
    return;
  }
  if (output.empty()) {
    temporary_ = true;
    path_ = (fs::temp_directory_path() / fmt::format("rooftop-{}.rtrace", getpid())).string();
    return;
  }
  std::error_code error;
  fs::create_directories(output, error);
  if (error) {
    throw InputError(fmt::format("{} cannot be made ({}): choose another place with -o", output,
                                 error.message()));
  }
  path_ = (fs::path(output) / "trace.rtrace").string();
}

TraceOutput::~TraceOutput() {
  std::error_code ignored;
  if (temporary_) fs::remove(path_, ignored);
}

}  // namespace rooftop::tools
