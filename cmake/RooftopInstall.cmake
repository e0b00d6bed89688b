# `cmake --install`: the command, the two public headers, and what a program needs to record itself. Found by
# find_package(rooftop) as rooftop::nvtx (headers only) and rooftop::profile, and by pkg-config as rooftop-nvtx and rooftop.
include(CMakePackageConfigHelpers)

install(TARGETS rooftop RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY profiler/include/rooftop DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

set_target_properties(rooftop_nvtx PROPERTIES EXPORT_NAME nvtx)
set_target_properties(rooftop_capture PROPERTIES EXPORT_NAME profile)
install(TARGETS rooftop_nvtx rooftop_capture rooftop_trace rooftop_core EXPORT rooftop
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT rooftop NAMESPACE rooftop:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/rooftop FILE rooftopTargets.cmake)

configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/rooftopConfig.cmake.in
  ${PROJECT_BINARY_DIR}/rooftopConfig.cmake INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/rooftop)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/rooftopConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/rooftopConfig.cmake ${PROJECT_BINARY_DIR}/rooftopConfigVersion.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/rooftop)

# Relative to the .pc file itself: `cmake --install --prefix` may choose any folder.
file(RELATIVE_PATH rooftop_prefix_from_pc /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
foreach(package rooftop rooftop-nvtx)
  configure_file(${PROJECT_SOURCE_DIR}/cmake/${package}.pc.in ${PROJECT_BINARY_DIR}/${package}.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/${package}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()
