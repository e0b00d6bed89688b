#include "tools/predict_setup.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <system_error>

#include "profiler/core/error.h"
#include "profiler/predict/calibrate.h"
#include "profiler/roofline/csv.h"
#include "profiler/roofline/points_csv.h"
#include "profiler/roofline/report_json.h"
#include "profiler/trace/reader.h"
#include "tools/report/folder.h"
#include "tools/sweep_plan.h"

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

DeviceTable load_devices(const std::string& file) {
  DeviceTable devices = DeviceTable::built_in();
  if (!file.empty()) devices.load_user_file(file);
  return devices;
}

std::vector<predict::PredictedStep> predicted_steps(const SweepOptions& grid) {
  std::vector<predict::PredictedStep> steps;
  for (const Cell& cell : plan_cells(grid)) {
    const auto u32 = [](std::int64_t n) { return static_cast<std::uint32_t>(n); };
    steps.push_back({cell.phase, u32(cell.batch), u32(cell.query_tokens), u32(cell.length)});
  }
  return steps;
}

std::vector<std::string> measured_files(const std::vector<std::string>& paths) {
  std::vector<std::string> files;
  for (const std::string& path : paths) {
    std::error_code error;
    if (!fs::is_directory(path, error)) {
      files.push_back(path);
      continue;
    }
    const std::size_t before = files.size();
    for (const auto& entry : fs::directory_iterator(path)) {
      const std::string extension = entry.path().extension().string();
      if (extension == ".rtrace" || predict::is_table_of_times(entry.path().string())) {
        files.push_back(entry.path().string());
      }
    }
    if (files.size() == before) {
      throw InputError(fmt::format("{}: the folder holds no trace and no table of times", path));
    }
    std::sort(files.begin() + static_cast<std::ptrdiff_t>(before), files.end());
  }
  return files;
}

bool is_trace_of(const std::string& path, const ModelShape& model, const DeviceSpec& device,
                 const DeviceTable& devices) {
  trace::Reader reader(path);
  trace::Visitor nothing;
  reader.read(nothing);
  const Meta& meta = reader.meta();
  if (!meta.prediction.empty()) {
    throw InputError(path + ": this trace is a prediction: give one that was measured");
  }
  ModelShape shape = meta.model;
  shape.name = model.name;
  shape.max_positions = model.max_positions;
  if (shape != model || meta.devices.empty()) return false;
  const DeviceInfo& info = meta.devices.front();
  const DeviceSpec* found = devices.find(info.table_id);
  if (found == nullptr) found = devices.find(info.name);
  return found != nullptr && (found->id == device.id || found->id == device.hardware);
}

fs::path make_folder(const std::string& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) {
    throw InputError(fmt::format("{} cannot be made ({}): choose another place with -o", folder,
                                 error.message()));
  }
  return folder;
}

void write_point_files(const Report& report, const std::string& folder) {
  const fs::path place = folder;
  std::ostringstream points;
  write_points_csv(report, points);
  write_file_atomically(place / "points.csv", points.str());
  write_file_atomically(place / "report.json", report_json(report) + '\n');
  std::ostringstream predictions;
  predictions << "model,device,operator,series,phase,batch,query_tokens,length,time_s,"
                 "time_error_s,calibration,fits\n";
  CsvWriter row(predictions);
  for (const Point& p : report.points()) {
    if (p.calibration().empty()) continue;
    row.text(p.model()).text(p.device()).text(p.operator_()).text(p.series()).text(p.phase());
    row.integer(p.batch()).integer(p.query_tokens()).integer(p.length()).number(p.time_s());
    p.time_spread_s() > 0 ? row.number(p.time_spread_s()) : row.empty();
    row.text(p.calibration()).text(p.does_not_fit() ? "no" : "yes").end();
  }
  write_file_atomically(place / "predictions.csv", predictions.str());
}

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
    path_ = (fs::temp_directory_path() / "rooftop-XXXXXX.rtrace").string();
    const int file = mkstemps(path_.data(), 7);
    if (file < 0) {
      throw InputError(
          fmt::format("cannot create a file in {}: set TMPDIR to a folder that can be "
                      "written",
                      fs::temp_directory_path().string()));
    }
    close(file);
    return;
  }
  path_ = (make_folder(output) / "trace.rtrace").string();
}

TraceOutput::~TraceOutput() {
  std::error_code ignored;
  if (temporary_) fs::remove(path_, ignored);
}

}  // namespace rooftop::tools
