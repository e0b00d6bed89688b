// Facts of the process that the plugin finds itself in. Nothing here throws anything but
// std::bad_alloc; what is unknown is empty or 0.
#pragma once

#include <cstdint>
#include <string>

namespace rooftop::plugin {

// Fit for a file's name: "generate" for `python3 /opt/generate.py`, else the executable's name.
std::string program_name();
std::string program_name(const std::string& command_line);  // as in /proc/PID/cmdline

std::string host_name();  // letters, digits, '.', '_' and '-' only

// Seconds since the Unix epoch; an exec does not change it.
double process_start_time();

// Where this process stands among those of a distributed run, by the variables of torchrun,
// Open MPI, MPICH and Slurm.
struct Rank {
  std::uint32_t rank = 0;
  std::uint32_t world_size = 1;
};
Rank rank_of(const char* const* environment);

// Whether this copy of the library is the process's first: another one that is loaded under
// another path has claimed the process already. Holds until the process ends or forks.
bool claim_process();

// Where this library was loaded from.
std::string own_path();

}  // namespace rooftop::plugin
