#include "profiler/roofline/points_csv.h"

#include <optional>
#include <ostream>

#include "profiler/roofline/csv.h"

namespace rooftop {
namespace {

constexpr char kHeader[] =
    "run,model,device,rank,dtype,attention,variant,layers,series,operator,phase,batch,"
    "query_tokens,length,calls,repeats,flops,hardware_flops,dram_bytes,model_bytes,l2_bytes,"
    "time_s,time_spread_s,share,intensity,flops_per_s,roof,roof_fraction,bound,flops_source,"
    "bytes_source,time_source\n";

std::optional<double> when(bool has, double value) {
  return has ? std::optional(value) : std::nullopt;
}

}  // namespace

void write_points_csv(const Report& report, std::ostream& out) {
  out << kHeader;
  CsvWriter row(out);
  for (const Point& p : report.points()) {
    row.text(p.run()).text(p.model()).text(p.device()).integer(p.rank()).text(p.dtype());
    row.text(p.attention()).text(p.variant()).integer(p.layers());
    row.text(p.series()).text(p.operator_()).text(p.phase());
    row.integer(p.batch()).integer(p.query_tokens()).integer(p.length());
    row.number(p.calls()).integer(static_cast<std::int64_t>(p.repeats()));
    row.number(when(p.has_flops(), p.flops()));
    row.number(when(p.has_hardware_flops(), p.hardware_flops()));
    row.number(when(p.has_dram_bytes(), p.dram_bytes()));
    row.number(when(p.has_model_bytes(), p.model_bytes()));
    row.number(when(p.has_l2_bytes(), p.l2_bytes()));
    const bool timed = !p.time_source().empty();
    row.number(when(timed, p.time_s())).number(when(timed, p.time_spread_s()));
    row.number(when(timed, p.share()));
    row.number(when(p.has_intensity(), p.intensity()));
    row.number(when(p.has_flops_per_s(), p.flops_per_s()));
    row.text(p.roof()).number(when(p.has_roof_fraction(), p.roof_fraction())).text(p.bound());
    row.text(p.flops_source()).text(p.bytes_source()).text(p.time_source());
    row.end();
  }
}

}  // namespace rooftop
