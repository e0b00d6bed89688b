#include "tools/import/recognise.h"

#include "profiler/trace/writer.h"
#include "tests/tools/import/imported.h"

namespace rooftop::import::testing {
namespace {

TEST(Recognise, GoesByContent) {
  using std::string_view_literals::operator""sv;
  EXPECT_EQ(recognise(""), FileKind::kEmpty);
  EXPECT_EQ(recognise("  {\"traceEvents\""), FileKind::kPytorch);
  EXPECT_EQ(recognise("\xef\xbb\xbf[{"), FileKind::kPytorch);
  EXPECT_EQ(recognise("SQLite format 3\0rest"sv), FileKind::kNsysSqlite);
  EXPECT_EQ(recognise("\"ID\",\"Process ID\",\"Kernel Name\"\n"), FileKind::kNcuCsv);
  EXPECT_EQ(recognise("==PROF== Connected\nstep 1\nID,Kernel Name,x\n"), FileKind::kNcuCsv);
  EXPECT_EQ(recognise("NVR\0rest"sv), FileKind::kNcuReport);
  EXPECT_EQ(recognise("run,model,device\n"), FileKind::kUnknown) << "a table of another kind";
  EXPECT_EQ(recognise("\x7f"
                      "ELF"),
            FileKind::kUnknown);
}

TEST(Recognise, TracesOfOursAreKnown) {
  const TestFolder folder;
  trace::Writer writer;
  ASSERT_TRUE(writer.open(folder.file("t"), Meta{}).ok());
  ASSERT_TRUE(writer.finish().ok());
  EXPECT_EQ(recognise_file(folder.file("t")), FileKind::kTrace);
}

TEST(Recognise, NamesAreNotBelieved) {
  const TestFolder folder;
  EXPECT_EQ(recognise_file(folder.write("a.csv", "{\"traceEvents\": []}")), FileKind::kPytorch);
  EXPECT_EQ(recognise_file(folder.write("a.ncu-rep", "{}")), FileKind::kPytorch);
  EXPECT_EQ(recognise_file(folder.write("a.json", "\"ID\",\"Kernel Name\"")), FileKind::kNcuCsv);
  EXPECT_EQ(recognise_file(folder.write("a.json", gzip("{}"))), FileKind::kPytorch);
}

TEST(Recognise, ReportsOfNsightGetTheCommandThatExportsThem) {
  const TestFolder folder;
  const auto message = [&](const char* name) {
    const std::string file = folder.write(name, "\x01\x02 something else");
    return error_of([&] { import_file(file, folder.file("t.rtrace"), {}); });
  };
  EXPECT_THAT(message("a.nsys-rep"), ::testing::HasSubstr("nsys export --type sqlite"));
  EXPECT_THAT(message("a.qdrep"), ::testing::HasSubstr("nsys export --type sqlite"));
  EXPECT_THAT(message("a.ncu-rep"), ::testing::HasSubstr("--csv --page raw"));
  EXPECT_THAT(message("a.bin"), ::testing::HasSubstr("is no recording that can be imported"));
  EXPECT_THAT(error_of([&] { import_file(folder.write("e.json", ""), folder.file("t"), {}); }),
              ::testing::HasSubstr("is empty"));
  EXPECT_THAT(error_of([&] { import_file(folder.file("none.json"), folder.file("t"), {}); }),
              ::testing::HasSubstr("cannot be opened"));
}

TEST(RunName, LeavesOutHostNames) {
  EXPECT_EQ(run_name_of("/a/b/prefill.json.gz"), "prefill");
  EXPECT_EQ(run_name_of("x.sqlite"), "x");
  EXPECT_EQ(run_name_of("alice-laptop_4711.17281.pt.trace.json.gz"), "import");
}

}  // namespace
}  // namespace rooftop::import::testing
