// The program `rooftop`: its commands, and what becomes of their errors.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <new>

#include "profiler/core/error.h"
#include "profiler/core/version.h"
#include "tools/command_line/command_line.h"

int main(int argc, char** argv) {
  CLI::App app{"Rooftop: how far every operator of an LLM sits below the roof of its machine",
               "rooftop"};
  app.set_version_flag("--version", rooftop::kVersion);
  app.require_subcommand(1);
  app.footer(
      "`rooftop COMMAND --help` shows a command's options. Exit status: 0, 1 a gate failed, 2 "
      "usage or input error.");
  int status = 0;
  using namespace rooftop::tools;
  add_run(app, status);
  add_sweep(app, status);
  add_predict(app, status);
  add_reproduce(app, status);
  add_gpus(app, status);
  add_import(app, status);
  add_explain(app, status);
  add_report(app, status);
  add_roofs(app, status);
  add_metrics(app, status);
  add_attach(app, status);
  add_doctor(app, status);
  add_tokenize(app, status);
  try {
    app.parse(argc, argv);
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
      throw rooftop::InputError("standard output cannot be written: is the disk full?");
    }
    return status;
  } catch (const CLI::Success& e) {
    return app.exit(e);  // --help, --version
  } catch (const CLI::ParseError& e) {
    fmt::print(stderr, "rooftop: {} (see `rooftop --help`)\n", e.what());
  } catch (const rooftop::InputError& e) {
    fmt::print(stderr, "rooftop: {}\n", e.what());
  } catch (const std::bad_alloc&) {
    fmt::print(stderr, "rooftop: not enough memory\n");
  } catch (const std::exception& e) {
    fmt::print(stderr, "rooftop: {}\n", e.what());
  }
  return 2;
}
