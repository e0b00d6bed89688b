// What every operator of a step would take on a GPU that nobody ran it on.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "profiler/core/meta.h"
#include "profiler/model/cost.h"
#include "profiler/predict/calibration.h"
#include "profiler/roofline/device_table/device_table.h"

namespace rooftop::predict {

// How the engine whose times are predicted would compute.
struct EngineForm {
  bool ideal = false;     // on the roof: the least time that FLOPs and bytes allow
  bool separate = false;  // Q, K, V, gate and up as products of their own
  bool unfused = false;   // attention as two products with a softmax between
  bool causal_skip = false;
};

// A step whose sequences are alike.
struct PredictedStep {
  Phase phase = Phase::kUnknown;
  std::uint32_t batch = 1;
  std::uint32_t query_tokens = 1;
  std::uint32_t length = 1;
};

struct PredictedLaunch {
  Operator op = Operator::kUnclassified;
  std::int32_t layer = -1;
  double seconds = 0;
  Basis basis = Basis::kUncalibrated;
  std::optional<double> error;  // of the time, relative; where there are measurements
};

// Predicts from the facts of a run that did not take place: model, types and layers of `meta`.
class Predictor {
 public:
  // `choice` says how times come about, unless form.ideal: then on the roofs of `device`. Throws
  // InputError where the device has no peak for the type.
  Predictor(const Meta& meta, const DeviceSpec& device, const Choice& choice,
            const Calibration& calibration, const EngineForm& form);

  // In the order of an engine; all layers.
  [[nodiscard]] std::vector<PredictedLaunch> launches(const PredictedStep& step) const;

  // Bytes that the step needs on the device: weights, cache, and scores where attention is unfused.
  [[nodiscard]] double memory_need(const PredictedStep& step) const;

 private:
  [[nodiscard]] std::vector<Operator> layer_operators() const;
  [[nodiscard]] PredictedLaunch predict(Operator op, std::int32_t layer, const StepShape& shape,
                                        const PredictedStep& step) const;
  [[nodiscard]] double linear_seconds(Operator op, const OperatorCost& cost, double rows) const;
  [[nodiscard]] double product_seconds(const OperatorCost& cost, const PredictedStep& step) const;
  void set_ideal(std::vector<PredictedLaunch>& launches, const StepShape& shape) const;

  Meta meta_;
  GpuFigures roofs_;
  Choice choice_;
  const Calibration& calibration_;
  EngineForm form_;
  double weight_bytes_ = 0;  // of all layers that are run
};

}  // namespace rooftop::predict
