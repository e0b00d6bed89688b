# CUPTI's and the driver's headers: sets ROOFTOP_HAVE_CUPTI and makes rooftop_cupti_headers. Neither library is linked:
# both are found at run time, in the process that is profiled. No nvcc is needed, so that ROOFTOP_CUDA does not matter.
set(ROOFTOP_CUPTI AUTO CACHE STRING "Record GPU kernels through CUPTI, where its headers are: AUTO, OFF")
set_property(CACHE ROOFTOP_CUPTI PROPERTY STRINGS AUTO OFF)
set(ROOFTOP_HAVE_CUPTI OFF)
if(NOT ROOFTOP_CUPTI STREQUAL "OFF")
  find_path(CUPTI_INCLUDE_DIR cupti_range_profiler.h
    HINTS $ENV{CUDA_HOME}/include $ENV{CUDA_PATH}/include /usr/local/cuda/include /usr/local/cuda/extras/CUPTI/include)
  find_path(CUDA_DRIVER_INCLUDE_DIR cuda.h
    HINTS ${CUPTI_INCLUDE_DIR} ${CUPTI_INCLUDE_DIR}/../../../include $ENV{CUDA_HOME}/include /usr/local/cuda/include)
  if(CUPTI_INCLUDE_DIR AND CUDA_DRIVER_INCLUDE_DIR)
    set(ROOFTOP_HAVE_CUPTI ON)
    message(STATUS "CUPTI: ${CUPTI_INCLUDE_DIR}")
    add_library(rooftop_cupti_headers INTERFACE)
    target_include_directories(rooftop_cupti_headers SYSTEM INTERFACE ${CUPTI_INCLUDE_DIR} ${CUDA_DRIVER_INCLUDE_DIR})
  else()
    message(STATUS "CUPTI: not found, GPU kernels cannot be recorded (set CUPTI_INCLUDE_DIR)")
  endif()
endif()
