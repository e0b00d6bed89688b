// The rules behind the findings of a report, each a function that adds its sentences, and the
// limits at which they speak.
#pragma once

#include <string>
#include <string_view>

#include "profiler/roofline/device_table/device_table.h"
#include "rooftop/report.pb.h"

namespace rooftop {

// Kernels shorter than this, far below the roof, are held back by launches and latency.
inline constexpr double kShortKernel = 10e-6;
inline constexpr double kFarBelowRoof = 0.5;
inline constexpr double kAmplificationWorthTelling = 1.1;

void add_finding(Report& report, std::string_view kind, std::string text);

// "bottleneck": what holds each series back.
void add_bottlenecks(Report& report);
// "potential": the rows with the most time between them and the roof.
void add_potential(Report& report);
// "what_if": how long decode steps would take with other weights, batch, context, heads or device,
// where every operator keeps its share of the roof.
void add_what_ifs(Report& report, const DeviceTable& devices);
// "speculation": what a step of k candidates a sequence costs over a plain one: from steps with
// candidates where there are any, else by the rule of add_what_ifs().
void add_speculation(Report& report);

}  // namespace rooftop
