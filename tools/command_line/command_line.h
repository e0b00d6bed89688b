// The commands as CLI11 parses them: each turns its part of the command line into the options of
// commands.h, and leaves the exit status of the command that ran. CLI11 is included in this folder
// and in main.cpp only: it costs seconds of compile time a file.
#pragma once

namespace CLI {
class App;
}

namespace rooftop::tools {

void add_run(CLI::App& app, int& status);
void add_sweep(CLI::App& app, int& status);
void add_predict(CLI::App& app, int& status);
void add_reproduce(CLI::App& app, int& status);
void add_gpus(CLI::App& app, int& status);
void add_import(CLI::App& app, int& status);
void add_explain(CLI::App& app, int& status);
void add_report(CLI::App& app, int& status);
void add_roofs(CLI::App& app, int& status);
void add_metrics(CLI::App& app, int& status);
void add_attach(CLI::App& app, int& status);
void add_doctor(CLI::App& app, int& status);
void add_tokenize(CLI::App& app, int& status);

}  // namespace rooftop::tools
