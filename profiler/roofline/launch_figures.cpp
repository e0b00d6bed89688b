#include "profiler/roofline/launch_figures.h"

#include "profiler/model/cost.h"

namespace rooftop {
namespace {

Figure modelled(double value) { return {.value = value, .source = Provenance::kModelled}; }

// A closed form says what a launch needs; of a launch that never was it is a prediction.
Figure closed_form(double value, const Meta& meta) {
  return {.value = value,
          .source = meta.prediction.empty() ? Provenance::kModelled : Provenance::kPredicted};
}

Figure plus(const Figure& a, const Figure& b) {
  if (!a.present() || !b.present()) return {};
  return {.value = a.value + b.value, .source = weakest(a.source, b.source)};
}

void add_model(LaunchFigures& figures, const Launch& launch, const Meta& meta,
               const StepTable& steps) {
  if (launch.copied) {
    figures.model_read_bytes = modelled(launch.copied->read_bytes);
    figures.model_written_bytes = modelled(launch.copied->written_bytes);
    // Cleared for a product: no FLOPs beside the product's, rather than unknown ones.
    if (launch.classification.part) figures.model_flops = modelled(0);
    return;
  }
  const Classification& c = launch.classification;
  if (!c.step) return;
  const auto cost =
      operator_cost(c.op, c.layer, meta.model, steps.steps()[*c.step].shape, meta.causal_skip);
  if (!cost) return;
  if (c.part) {
    figures.model_flops = figures.model_read_bytes = figures.model_written_bytes =
        closed_form(0, meta);
    return;
  }
  figures.model_flops = closed_form(cost->flops, meta);
  if (const auto moved = traffic(*cost, element_bytes(meta))) {
    figures.model_read_bytes = closed_form(moved->read_bytes, meta);
    figures.model_written_bytes = closed_form(moved->written_bytes, meta);
  }
}

}  // namespace

Figure LaunchFigures::model_bytes() const { return plus(model_read_bytes, model_written_bytes); }
Figure LaunchFigures::dram_bytes() const {
  return dram_total.present() ? dram_total : plus(dram_read_bytes, dram_written_bytes);
}

LaunchFigures figures_of(const Launch& launch, const Meta& meta, const StepTable& steps) {
  LaunchFigures figures;
  add_model(figures, launch, meta, steps);
  figures.hardware_flops = launch.counters.flops();
  figures.l2_bytes = launch.counters.get(CounterFigure::kL2);
  // Half a measurement is not one: both directions were counted, or the model stands for both.
  const bool counted = launch.counters.dram_bytes().present();
  const bool apart = launch.counters.get(CounterFigure::kDramRead).present() &&
                     launch.counters.get(CounterFigure::kDramWritten).present();
  if (counted && !apart) {
    figures.dram_total = launch.counters.get(CounterFigure::kDram);
    return figures;
  }
  figures.dram_read_bytes =
      counted ? launch.counters.get(CounterFigure::kDramRead) : figures.model_read_bytes;
  figures.dram_written_bytes =
      counted ? launch.counters.get(CounterFigure::kDramWritten) : figures.model_written_bytes;
  return figures;
}

}  // namespace rooftop
