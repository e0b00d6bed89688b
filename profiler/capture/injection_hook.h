// NVTX's static injection hook: a symbol that NVTX's headers define weakly in every file that uses
// them, and that a tool linked into the program defines strongly. In a file of its own, which must
// not include NVTX's headers.
#pragma once

#include <cstdint>

namespace rooftop::capture {

// NVTX's NvtxGetExportTableFunc_t.
using InjectionExportTable = const void* (*)(std::uint32_t);

// What NVTX calls on its first use in a binary that links us, unless NVTX_INJECTION64_PATH names
// another tool. Takes over the functions that scopes go through; 0 where that is not possible. In
// nvtx_scopes.cpp.
int initialize_injection(InjectionExportTable get_export_table) noexcept;

// Does nothing: a call to it makes the linker take the hook's file out of the library.
void link_injection_hook() noexcept;

}  // namespace rooftop::capture
