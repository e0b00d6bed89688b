// Coefficients as JSON: one object a GPU, one line a group of coefficients.
#include <fmt/core.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "profiler/core/error.h"
#include "profiler/predict/calibration.h"

namespace rooftop::predict {
namespace {

using Json = nlohmann::ordered_json;

// Four digits say more than any fit knows, and read well.
double rounded(double value) { return std::stod(fmt::format("{:.4g}", value)); }

// visit(name, member) for every coefficient, both ways.
template <typename C, typename Visit>
void fields(C& c, const Visit& visit) requires(std::is_same_v<std::remove_const_t<C>, GpuFigures>) {
  visit("bandwidth", c.bandwidth);
  visit("peak", c.peak);
  visit("sm_count", c.sm_count);
  visit("l2_bytes", c.l2_bytes);
}
template <typename C, typename Visit>
void fields(C& c,
            const Visit& visit) requires(std::is_same_v<std::remove_const_t<C>, GemmCoefficients>) {
  visit("launch_s", c.launch_s);
  visit("bandwidth_share", c.bandwidth_share);
  visit("overlap", c.overlap);
  visit("wave_s", c.wave_s);
  visit("split_s", c.split_s);
  visit("split_bandwidth_share", c.split_bandwidth_share);
  visit("quantisation", c.quantisation);
  visit("l2_fill", c.l2_fill);
  visit("l2_speed", c.l2_speed);
  visit("tile_read_speed", c.tile_read_speed);
  visit("stride_cost", c.stride_cost);
  visit("gated_peak", c.gated_peak);
  visit("choice", c.choice);
}
template <typename C, typename Visit>
void fields(C& c, const Visit& visit) requires(
    std::is_same_v<std::remove_const_t<C>, AttentionCoefficients>) {
  visit("launch_s", c.launch_s);
  visit("wave_s", c.wave_s);
  visit("bandwidth_share", c.bandwidth_share);
  visit("read_share", c.read_share);
  visit("peak_share", c.peak_share);
  visit("new_key_cost", c.new_key_cost);
  visit("quantisation", c.quantisation);
  visit("split_s", c.split_s);
}
template <typename C, typename Visit>
void fields(C& c, const Visit& visit) requires(
    std::is_same_v<std::remove_const_t<C>, StreamCoefficients>) {
  visit("launch_s", c.launch_s);
  visit("bandwidth_share", c.bandwidth_share);
}

std::string tile_name(const Tile& tile) { return fmt::format("{}x{}", tile.rows, tile.columns); }

template <typename C>
Json write_fields(const C& c) {
  Json json;
  fields(c, [&](const char* name, double value) { json[name] = rounded(value); });
  return json;
}

Json write_gpu(const GpuCalibration& gpu) {
  Json json{{"name", gpu.name},
            {"devices", gpu.devices},
            {"chip", gpu.chip},
            {"source", gpu.source},
            {"figures", write_fields(gpu.figures)},
            {"gemm", write_fields(gpu.gemm)}};
  Json& tiles = json["gemm"]["tile_share"];
  for (std::size_t i = 0; i < kTiles.size(); ++i) {
    tiles[tile_name(kTiles[i])] = rounded(gpu.gemm.tile_share[i]);
  }
  if (gpu.attention) json["attention"] = write_fields(*gpu.attention);
  for (const auto& [op, stream] : gpu.streams) json["streams"][op] = write_fields(stream);
  for (const ErrorBand& band : gpu.errors) {
    json["errors"].push_back({{"operator", band.op},
                              {"rows_from", band.rows_from},
                              {"rows_to", band.rows_to},
                              {"samples", band.samples},
                              {"median", rounded(band.median)},
                              {"p90", rounded(band.p90)}});
  }
  return json;
}

// A coefficient outside these bounds would make times that are no numbers.
double checked(const Json& json, const char* name) {
  const double value = json.at(name).get<double>();
  if (!std::isfinite(value) || value < 0 || value > 1e18) {
    throw InputError(fmt::format("'{}' is {:g}, which no coefficient can be", name, value));
  }
  return value;
}

template <typename C>
C read_fields(const Json& json) {
  C c;
  fields(c, [&](const char* name, double& value) { value = checked(json, name); });
  return c;
}

GpuCalibration read_gpu(const Json& json) {
  GpuCalibration gpu;
  gpu.name = json.at("name");
  gpu.devices = json.at("devices").get<std::vector<std::string>>();
  gpu.chip = json.at("chip");
  gpu.source = json.at("source");
  gpu.figures = read_fields<GpuFigures>(json.at("figures"));
  gpu.gemm = read_fields<GemmCoefficients>(json.at("gemm"));
  for (std::size_t i = 0; i < kTiles.size(); ++i) {
    gpu.gemm.tile_share[i] =
        checked(json.at("gemm").at("tile_share"), tile_name(kTiles[i]).c_str());
  }
  if (json.contains("attention")) {
    gpu.attention = read_fields<AttentionCoefficients>(json.at("attention"));
  }
  if (json.contains("streams")) {
    for (const auto& [op, stream] : json.at("streams").items()) {
      gpu.streams[op] = read_fields<StreamCoefficients>(stream);
    }
  }
  if (json.contains("errors")) {
    for (const Json& band : json.at("errors")) {
      gpu.errors.push_back({.op = band.at("operator"),
                            .rows_from = checked(band, "rows_from"),
                            .rows_to = checked(band, "rows_to"),
                            .samples = band.at("samples"),
                            .median = checked(band, "median"),
                            .p90 = checked(band, "p90")});
    }
  }
  return gpu;
}

}  // namespace

std::string to_text(const Calibration& calibration) {
  Json json;
  json["gpus"] = Json::array();
  for (const GpuCalibration& gpu : calibration.gpus) json["gpus"].push_back(write_gpu(gpu));
  json["generic"] = write_gpu(calibration.generic);
  return json.dump(1, ' ', true, Json::error_handler_t::replace) + '\n';
}

Calibration parse_calibration(std::string_view text, const std::string& name) {
  try {
    const Json json = Json::parse(text);
    Calibration calibration;
    for (const Json& gpu : json.at("gpus")) calibration.gpus.push_back(read_gpu(gpu));
    calibration.generic = read_gpu(json.at("generic"));
    return calibration;
  } catch (const Json::exception& e) {
    throw InputError(fmt::format("{}: these are no coefficients: {}", name, e.what()));
  } catch (const InputError& e) {
    throw InputError(fmt::format("{}: {}", name, e.what()));
  }
}

}  // namespace rooftop::predict
