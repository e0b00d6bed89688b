# rooftop_embed(TARGET NAME FILE): puts FILE's bytes into TARGET as read-only data, found in C++ as
#   extern "C" const char rooftop_resource_NAME[], rooftop_resource_NAME_end[];
# The assembler reads the file (.incbin): a megabyte costs no compile time, and nothing is generated but six lines.
function(rooftop_embed target name file)
  if(NOT EXISTS ${file})
    message(FATAL_ERROR "${file} is to be embedded in ${target}, and does not exist.")
  endif()
  set(source ${CMAKE_CURRENT_BINARY_DIR}/embedded_${name}.cpp)
  file(CONFIGURE OUTPUT ${source} @ONLY CONTENT [=[
// Written by cmake/EmbedResource.cmake.
__asm__(
    ".pushsection .rodata, \"a\", %progbits\n"
    ".global rooftop_resource_@name@, rooftop_resource_@name@_end\n"
    ".hidden rooftop_resource_@name@, rooftop_resource_@name@_end\n"
    "rooftop_resource_@name@: .incbin \"@file@\"\n"
    "rooftop_resource_@name@_end: .byte 0\n"
    ".popsection\n");
]=])
  set_source_files_properties(${source} PROPERTIES OBJECT_DEPENDS ${file})
  target_sources(${target} PRIVATE ${source})
endfunction()
