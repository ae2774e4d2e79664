# What `cmake --install` puts where. Everything finds everything else from its own place, so the prefix may be moved afterwards.
#
#   bin/muster                                       lib/libmuster.{a,so}, lib/libmuster-device.a, lib/pkgconfig/, lib/cmake/muster/
#   include/muster/                                  share/man/man1/muster.1 and the shells' completions
#   share/muster/recipes/, share/muster/examples/    share/doc/muster/
include(CMakePackageConfigHelpers)

set(cmake_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/muster)
set(pkgconfig_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

install(TARGETS muster RUNTIME)
install(TARGETS muster_static ARCHIVE)
target_include_directories(muster_shared INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
set_target_properties(muster_shared PROPERTIES EXPORT_NAME muster)
install(TARGETS muster_shared EXPORT muster LIBRARY)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/muster DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(FILES ${PROJECT_BINARY_DIR}/include/muster/version.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/muster)

# The libraries that libmuster stands on, by their pkg-config names.
set(MUSTER_PKGCONFIG_REQUIRES)
foreach(library IN LISTS MUSTER_LIBRARIES)
  if(library MATCHES "^PkgConfig::(.*)$")
    string(APPEND MUSTER_PKGCONFIG_REQUIRES " ${${CMAKE_MATCH_1}_MODULE_NAME}")
  endif()
endforeach()
string(STRIP "${MUSTER_PKGCONFIG_REQUIRES}" MUSTER_PKGCONFIG_REQUIRES)

# CMake: find_package(muster), targets muster::muster (shared) and muster::muster_static
install(EXPORT muster NAMESPACE muster:: FILE musterTargets.cmake DESTINATION ${cmake_package_dir})
configure_package_config_file(cmake/musterConfig.cmake.in ${PROJECT_BINARY_DIR}/cmake/musterConfig.cmake
  INSTALL_DESTINATION ${cmake_package_dir} PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/cmake/musterConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/cmake/musterConfig.cmake ${PROJECT_BINARY_DIR}/cmake/musterConfigVersion.cmake
  DESTINATION ${cmake_package_dir})

# pkg-config: muster (shared; with --static all it needs), muster-static (the archive, the rest shared)
file(RELATIVE_PATH MUSTER_PKGCONFIG_TO_PREFIX /prefix/${pkgconfig_dir} /prefix)
string(REGEX REPLACE "/$" "" MUSTER_PKGCONFIG_TO_PREFIX ${MUSTER_PKGCONFIG_TO_PREFIX})
foreach(name IN ITEMS muster muster-static)
  configure_file(cmake/${name}.pc.in ${PROJECT_BINARY_DIR}/cmake/${name}.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/cmake/${name}.pc DESTINATION ${pkgconfig_dir})
endforeach()

# The man page and the completions are written by the program itself, so that they cannot say anything else than it does.
set(pages)
function(muster_page file)
  add_custom_command(OUTPUT ${PROJECT_BINARY_DIR}/pages/${file} DEPENDS muster VERBATIM
    COMMAND ${CMAKE_COMMAND} -E make_directory ${PROJECT_BINARY_DIR}/pages
    COMMAND muster ${ARGN} > ${PROJECT_BINARY_DIR}/pages/${file})
  set(pages ${pages} ${PROJECT_BINARY_DIR}/pages/${file} PARENT_SCOPE)
endfunction()
muster_page(muster.1 help --man)
muster_page(muster.bash completion bash)
muster_page(_muster completion zsh)
muster_page(muster.fish completion fish)
add_custom_target(pages ALL DEPENDS ${pages})
install(FILES ${PROJECT_BINARY_DIR}/pages/muster.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${PROJECT_BINARY_DIR}/pages/muster.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME muster)
install(FILES ${PROJECT_BINARY_DIR}/pages/_muster DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
install(FILES ${PROJECT_BINARY_DIR}/pages/muster.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)

install(DIRECTORY recipes examples DESTINATION ${CMAKE_INSTALL_DATADIR}/muster)
install(DIRECTORY docs DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES README.md CONTRIBUTING.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
