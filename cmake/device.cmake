# libmuster-device, and the example that trains with it. In the main build both are made for this processor, so that no change breaks them
# unseen; with MUSTER_DEVICE_ONLY (presets cortex-m4f, aarch64) they are all there is. docs/device-library.md
get_property(device_sources GLOBAL PROPERTY MUSTER_DEVICE_SOURCES)
add_library(muster_device STATIC ${device_sources})
set_target_properties(muster_device PROPERTIES OUTPUT_NAME muster-device POSITION_INDEPENDENT_CODE OFF)
target_link_libraries(muster_device PRIVATE muster_device_flags)

add_subdirectory(examples/microcontroller examples)
install(TARGETS muster_device ARCHIVE)

if(MUSTER_DEVICE_ONLY)
  if(NOT CMAKE_SYSTEM_NAME STREQUAL Generic)
    add_subdirectory(tests/device tests)
  endif()
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/muster DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
  install(FILES ${PROJECT_BINARY_DIR}/include/muster/version.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/muster)
endif()
