# rooftop_warnings: what every target of ours compiles with.
add_library(rooftop_warnings INTERFACE)
target_compile_options(rooftop_warnings INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wnon-virtual-dtor
    -Woverloaded-virtual -Wimplicit-fallthrough>
  $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<BOOL:${ROOFTOP_WERROR}>>:-Werror>)

# rooftop_std_regex: what a target that uses std::regex links. GCC 12 with ASan takes its moves for reads of
# uninitialised memory.
add_library(rooftop_std_regex INTERFACE)
if(ROOFTOP_SANITIZE)
  target_compile_options(rooftop_std_regex INTERFACE -Wno-maybe-uninitialized)
endif()

# rooftop_library(NAME SOURCES ... DEPENDS ... [PRIVATE_DEPENDS ...])
# A static, position-independent library of ours, included as "profiler/core/operator.h" from the root.
function(rooftop_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;DEPENDS;PRIVATE_DEPENDS" ${ARGN})
  add_library(${name} STATIC ${arg_SOURCES})
  target_include_directories(${name} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}> $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/profiler/include>)
  # Private dependencies stay out of the export: rooftopConfig.cmake says what an installed copy links.
  target_link_libraries(${name} PUBLIC ${arg_DEPENDS} PRIVATE $<BUILD_INTERFACE:rooftop_warnings>)
  foreach(dependency ${arg_PRIVATE_DEPENDS})
    target_link_libraries(${name} PRIVATE $<BUILD_INTERFACE:${dependency}>)
  endforeach()
endfunction()

# rooftop_test(NAME SOURCES ... DEPENDS ... [LABEL cpu|gpu|slow] [PREFIX text])
# A GoogleTest executable; ctest runs each test case by itself, in the source folder's root. PREFIX stands before the
# cases' names: for sources that another executable has, too.
function(rooftop_test name)
  cmake_parse_arguments(arg "" "LABEL;PREFIX" "SOURCES;DEPENDS" ${ARGN})
  if(NOT arg_LABEL)
    set(arg_LABEL cpu)
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_DEPENDS} GTest::gtest_main GTest::gmock rooftop_warnings)
  target_compile_definitions(${name} PRIVATE ROOFTOP_TEST_DATA="${PROJECT_SOURCE_DIR}/tests")
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST TEST_PREFIX "${arg_PREFIX}" PROPERTIES LABELS ${arg_LABEL} TIMEOUT 300)
endfunction()

# rooftop_fuzzer(NAME SOURCES ... DEPENDS ...): a libFuzzer target, only with clang and ROOFTOP_BUILD_FUZZERS.
# Its libraries must be compiled with -fsanitize=fuzzer-no-link to be guided by coverage.
function(rooftop_fuzzer name)
  if(NOT ROOFTOP_BUILD_FUZZERS)
    return()
  endif()
  cmake_parse_arguments(arg "" "" "SOURCES;DEPENDS" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_DEPENDS} rooftop_warnings)
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
endfunction()
if(ROOFTOP_BUILD_FUZZERS)
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES Clang)
    message(FATAL_ERROR "ROOFTOP_BUILD_FUZZERS needs clang: configure with -DCMAKE_CXX_COMPILER=clang++-14.")
  endif()
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
