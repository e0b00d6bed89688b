# Whether the CUDA module is built: sets ROOFTOP_HAVE_CUDA, enables the language and finds cudart.
# ROOFTOP_CUDA=ON fails without a toolkit and says what to do, AUTO takes what it finds and says what that is.
set(ROOFTOP_CUDA_ARCHITECTURES "80;86;89;90" CACHE STRING "Compute capabilities that the CUDA module is built for")
set(ROOFTOP_HAVE_CUDA OFF)
# cuBLASLt's header: the toolkit's, else that of PyPI's nvidia-cublas wheel as unpacked by tools/fetch.sh.
find_path(CUBLASLT_INCLUDE_DIR cublasLt.h HINTS /usr/local/cuda/include ${rooftop_cache_dir}/cublas/include)
string(TOUPPER "${ROOFTOP_CUDA}" rooftop_cuda_wanted)
if(NOT rooftop_cuda_wanted MATCHES "^(ON|OFF|AUTO)$")
  message(FATAL_ERROR "ROOFTOP_CUDA is '${ROOFTOP_CUDA}': set it to ON, OFF or AUTO.")
endif()

function(rooftop_find_cuda)
  if(rooftop_cuda_wanted STREQUAL "OFF")
    message(STATUS "CUDA module: not built (ROOFTOP_CUDA=OFF)")
    return()
  endif()
  set(why)
  # A toolkit's own folder comes before PATH, where nvcc may be a wrapper.
  find_program(ROOFTOP_NVCC nvcc HINTS ${CMAKE_CUDA_COMPILER} $ENV{CUDACXX} $ENV{CUDA_HOME}/bin $ENV{CUDA_PATH}/bin
    /usr/local/cuda/bin)
  if(NOT ROOFTOP_NVCC)
    set(why "no nvcc was found under /usr/local/cuda or on PATH")
  elseif(ROOFTOP_SANITIZE)
    set(why "nvcc does not take ROOFTOP_SANITIZE=${ROOFTOP_SANITIZE}")
  else()
    execute_process(COMMAND ${ROOFTOP_NVCC} --version OUTPUT_VARIABLE version ERROR_QUIET)
    string(REGEX MATCH "release ([0-9.]+)" version "${version}")
    set(version ${CMAKE_MATCH_1})
    if(NOT version VERSION_GREATER_EQUAL 13.0)
      set(why "${ROOFTOP_NVCC} is version '${version}', and CUDA 13.0 or newer is needed")
    endif()
  endif()
  if(NOT why AND NOT CUBLASLT_INCLUDE_DIR)
    set(why "cublasLt.h was not found (run tools/fetch.sh cublas, or set CUBLASLT_INCLUDE_DIR)")
  endif()
  if(NOT why)
    message(STATUS "CUDA module: built with ${ROOFTOP_NVCC} (CUDA ${version}) for ${ROOFTOP_CUDA_ARCHITECTURES}")
    set(ROOFTOP_HAVE_CUDA ON PARENT_SCOPE)
  elseif(rooftop_cuda_wanted STREQUAL "AUTO")
    message(STATUS "CUDA module: not built, ${why}")
  else()
    message(FATAL_ERROR "ROOFTOP_CUDA=ON, but ${why}: install CUDA 13 under /usr/local/cuda and run tools/fetch.sh, "
      "name the compiler with -DROOFTOP_NVCC=/path/to/nvcc, or configure with -DROOFTOP_CUDA=OFF.")
  endif()
endfunction()
rooftop_find_cuda()

if(ROOFTOP_HAVE_CUDA)
  set(CMAKE_CUDA_COMPILER ${ROOFTOP_NVCC} CACHE FILEPATH "CUDA compiler")
  set(CMAKE_CUDA_ARCHITECTURES ${ROOFTOP_CUDA_ARCHITECTURES})
  enable_language(CUDA)
  find_package(CUDAToolkit REQUIRED)
  # CMake 3.25 does not know that nvcc has C++20.
  if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)
    set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
    set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
  endif()
  # Warnings of the host compiler and of nvcc; not -Wpedantic: nvcc's generated code is not pedantic.
  add_library(rooftop_cuda_warnings INTERFACE)
  target_compile_options(rooftop_cuda_warnings INTERFACE
    $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wall,-Wextra,-Wshadow,-Wimplicit-fallthrough>
    $<$<AND:$<COMPILE_LANGUAGE:CUDA>,$<BOOL:${ROOFTOP_WERROR}>>:-Werror=all-warnings -Xcompiler=-Werror>)
endif()

# rooftop_cuda_module(NAME SOURCES ... DEPENDS ...): a module that the command loads on demand, beside the command.
include(GNUInstallDirs)
function(rooftop_cuda_module name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPENDS" ${ARGN})
  add_library(${name} MODULE ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_DEPENDS} rooftop_warnings rooftop_cuda_warnings CUDA::cudart_static
    ${CMAKE_DL_LIBS})
  target_link_options(${name} PRIVATE -Wl,--exclude-libs,ALL -Wl,--no-undefined)
  set_target_properties(${name} PROPERTIES
    PREFIX "" LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tools
    CUDA_ARCHITECTURES "${ROOFTOP_CUDA_ARCHITECTURES}" CUDA_STANDARD 20
    CUDA_RUNTIME_LIBRARY Static CUDA_VISIBILITY_PRESET hidden)
  install(TARGETS ${name} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/rooftop)
endfunction()
