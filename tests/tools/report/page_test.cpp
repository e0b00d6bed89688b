#include "tools/report/page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>

#include "profiler/core/error.h"
#include "profiler/core/operator.h"
#include "tests/tools/report/sample_report.h"
#include "tools/report/folder.h"

namespace rooftop {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;
namespace fs = std::filesystem;

class TemporaryFolder {
 public:
  TemporaryFolder()
      : path_(fs::temp_directory_path() / ("rooftop-page-" + std::to_string(getpid()))) {
    fs::create_directories(path_);
  }
  ~TemporaryFolder() { fs::remove_all(path_); }
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

std::string read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::size_t count(const std::string& text, const std::string& what) {
  std::size_t n = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
  return n;
}

TEST(PageData, HoldsThePointsOfTheSixSeriesWithTheirFigures) {
  const Report report = testing::sample_gpu_sweep();
  const Json data = Json::parse(page_data(report));
  EXPECT_EQ(data["series"].size(), 6U);
  const Json& columns = data["points"]["columns"];
  const auto column = [&](const char* name) {
    return static_cast<std::size_t>(std::find(columns.begin(), columns.end(), name) -
                                    columns.begin());
  };
  std::size_t row = 0;
  for (const Point& p : report.points()) {
    if (p.series().empty()) continue;
    const Json& values = data["points"]["rows"][row++];
    ASSERT_EQ(values.size(), columns.size());
    EXPECT_EQ(data["series"][values[column("series")].get<std::size_t>()], p.series());
    EXPECT_EQ(values[column("intensity")], p.intensity());
    EXPECT_EQ(values[column("flops_per_s")], p.flops_per_s());
    EXPECT_EQ(values[column("batch")], p.batch());
    EXPECT_EQ(data["strings"][values[column("operator")].get<std::size_t>()], p.operator_());
  }
  EXPECT_EQ(data["points"]["rows"].size(), row);
  EXPECT_EQ(row, 43U * 6);
  EXPECT_EQ(data["rows"].size(), static_cast<std::size_t>(report.rows_size()));
  EXPECT_NEAR(data["totals"]["share"].get<double>(), 1, 1e-9);
  EXPECT_EQ(data["roof_pairs"].size(), 2U);
}

TEST(PageData, AbsentAndInfiniteFiguresAreNull) {
  Report report = testing::sample_cpu_run();
  for (Point& p : *report.mutable_points()) {
    p.clear_flops();
    p.set_intensity(1.0 / 0.0);
  }
  const Json data = Json::parse(page_data(report));
  const Json& columns = data["points"]["columns"];
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (columns[i] == "flops" || columns[i] == "intensity" || columns[i] == "mark") {
      EXPECT_TRUE(data["points"]["rows"][0][i].is_null()) << columns[i];
    }
  }
}

TEST(PageData, CannotEndItsScriptElement) {
  const std::string data = page_data(testing::sample_hostile());
  for (const char c : data) {
    ASSERT_TRUE(c >= ' ' && c < 127 && c != '<' && c != '>' && c != '&') << int{c};
  }
  const Json parsed = Json::parse(data);
  EXPECT_EQ(parsed["notes"][1], "</script><script>window.pwned=1</script>");
}

TEST(Page, IsSelfContained) {
  const std::string page = render_page(testing::sample_gpu_sweep());
  EXPECT_EQ(page.rfind("<!DOCTYPE html>", 0), 0U);
  for (const char* loads : {" src=", "@import", "url(", "<link", "<iframe", "{{"}) {
    EXPECT_EQ(page.substr(0, page.find("<script")).find(loads), std::string::npos) << loads;
  }
  EXPECT_THAT(page, HasSubstr("default-src 'none'"));
  EXPECT_EQ(count(page, "<script"), 3U);
  EXPECT_EQ(count(page, "</script>"), 3U);
  EXPECT_THAT(page, HasSubstr("Apache License"));
  EXPECT_THAT(page, HasSubstr("Copyright 2010-2016 Mike Bostock"));
  EXPECT_THAT(page, HasSubstr("<title>Roofline Model (Llama 7B, A6000)</title>"));
}

TEST(Page, HostileNamesAddNoMarkup) {
  const std::string page = render_page(testing::sample_hostile());
  EXPECT_EQ(count(page, "<script"), 3U);
  EXPECT_EQ(count(page, "</script>"), 3U);
  EXPECT_THAT(page, Not(HasSubstr("<img src=x")));
  EXPECT_EQ(count(page, "id=\"report-data\""), 1U)
      << "a name that looks like a placeholder is none";
}

TEST(Folder, HoldsEverythingAndNoLeftovers) {
  const TemporaryFolder temporary;
  const fs::path dir = temporary.path() / "a" / "b";
  bool called = false;
  write_report_folder(testing::sample_cpu_run(), dir, [&](const std::string& given) {
    called = true;
    EXPECT_EQ(fs::path(given), dir);
    write_file_atomically(dir / "points.csv", "run\n");
  });
  EXPECT_TRUE(called);
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(dir)) names.push_back(entry.path().filename());
  EXPECT_THAT(names, ::testing::UnorderedElementsAre("report.html", "points.csv", "roofline.svg",
                                                     "roofline.png"));
  EXPECT_THAT(read(dir / "roofline.svg"), HasSubstr("</svg>"));
  EXPECT_EQ(read(dir / "report.html"), render_page(testing::sample_cpu_run()));
}

TEST(Folder, WithoutGnuplotTheRestIsStillThere) {
  const TemporaryFolder temporary;
  const std::string path = std::getenv("PATH") == nullptr ? "" : std::getenv("PATH");
  setenv("PATH", "/nonexistent", 1);
  bool called = false;
  EXPECT_THROW(write_report_folder(testing::sample_cpu_run(), temporary.path(),
                                   [&](const std::string&) { called = true; }),
               InputError);
  setenv("PATH", path.c_str(), 1);
  EXPECT_TRUE(called);
  EXPECT_TRUE(fs::exists(temporary.path() / "report.html"));
}

TEST(WriteFile, ReplacesWholeAndRefusesClearly) {
  const TemporaryFolder temporary;
  const fs::path file = temporary.path() / "x";
  write_file_atomically(file, "one");
  write_file_atomically(file, "two");
  EXPECT_EQ(read(file), "two");
  for (const fs::path& bad :
       {temporary.path() / "no" / "such", file / "inside", temporary.path()}) {
    try {
      write_file_atomically(bad, "text");
      ADD_FAILURE() << bad;
    } catch (const InputError& error) {
      EXPECT_THAT(error.what(), HasSubstr(bad.string()));
      EXPECT_THAT(error.what(), HasSubstr("-o"));
    }
  }
  EXPECT_THROW(write_report_folder(Report{}, file), InputError);
  EXPECT_EQ(std::distance(fs::directory_iterator(temporary.path()), {}), 1);
}

}  // namespace
}  // namespace rooftop
