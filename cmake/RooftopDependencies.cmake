# Everything comes from Debian, PyPI or npm by name; tools/install_deps.sh and tools/fetch.sh bring it.
find_package(Threads REQUIRED)
find_package(Protobuf REQUIRED)
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(CLI11 REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS CXX)
find_package(PkgConfig REQUIRED)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
find_path(PROTOZERO_INCLUDE_DIR protozero/pbf_writer.hpp REQUIRED)

# Debian's dnnl-config.cmake asks for packages that its library does not need (OpenCL, TBB): look for the library itself.
find_path(DNNL_INCLUDE_DIR oneapi/dnnl/dnnl.hpp REQUIRED)
find_library(DNNL_LIBRARY dnnl REQUIRED)
add_library(rooftop_dnnl INTERFACE)
target_include_directories(rooftop_dnnl SYSTEM INTERFACE ${DNNL_INCLUDE_DIR})
target_link_libraries(rooftop_dnnl INTERFACE ${DNNL_LIBRARY})

add_library(rooftop_protozero INTERFACE)
target_include_directories(rooftop_protozero SYSTEM INTERFACE ${PROTOZERO_INCLUDE_DIR})

# fmt header-only: nothing to link, nothing to carry.
add_library(rooftop_fmt INTERFACE)
target_link_libraries(rooftop_fmt INTERFACE fmt::fmt-header-only)

# NVTX's headers: the CUDA toolkit's, else those of PyPI's nvidia-nvtx wheel as unpacked by tools/fetch.sh.
find_path(NVTX_INCLUDE_DIR nvtx3/nvToolsExtPayload.h
  HINTS /usr/local/cuda/include ${rooftop_cache_dir}/nvtx/include)
if(NOT NVTX_INCLUDE_DIR)
  message(FATAL_ERROR "NVTX's headers were not found: run tools/fetch.sh nvtx, or set NVTX_INCLUDE_DIR.")
endif()
# Only nvtx3/ is exposed: a toolkit's include folder holds cuda.h and cupti.h, which most of the project must not see.
set(nvtx_only ${PROJECT_BINARY_DIR}/nvtx-include)
file(MAKE_DIRECTORY ${nvtx_only})
file(CREATE_LINK ${NVTX_INCLUDE_DIR}/nvtx3 ${nvtx_only}/nvtx3 SYMBOLIC)
add_library(rooftop_nvtx3 INTERFACE)
target_include_directories(rooftop_nvtx3 SYSTEM INTERFACE ${nvtx_only})
target_link_libraries(rooftop_nvtx3 INTERFACE ${CMAKE_DL_LIBS})

if(ROOFTOP_BUILD_TESTS)
  find_package(GTest REQUIRED)
  include(GoogleTest)
endif()
if(ROOFTOP_BUILD_BENCHMARKS)
  find_package(benchmark REQUIRED)
endif()
