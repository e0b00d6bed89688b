// The roofline chart as a picture, drawn by gnuplot.
#pragma once

#include <string>
#include <vector>

#include "rooftop/report.pb.h"

namespace rooftop {

enum class PictureFormat { kSvg, kPng };
inline const std::vector<PictureFormat> kAllPictures = {PictureFormat::kSvg, PictureFormat::kPng};

// What gnuplot is fed. The conventions are those of the Medusa paper's roofline figures (arXiv
// 2401.10774, figures 9 to 17): log-log axes, matplotlib's first six colours, dashed roofs, title
// and legend. Text of the report stands in single quotes, where gnuplot interprets nothing.
std::string roofline_script(const Report& report, PictureFormat format);

// The picture's bytes. Throws InputError where gnuplot is missing, fails or takes over a minute.
std::string render_roofline(const Report& report, PictureFormat format);

// Writes path_without_extension.svg and .png (those asked for), each whole or not at all.
void draw_roofline(const Report& report, const std::string& path_without_extension,
                   const std::vector<PictureFormat>& formats = kAllPictures);

}  // namespace rooftop
