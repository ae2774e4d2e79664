# The few functions that the folders' CMakeLists.txt are written with.
#
#   muster_sources(a.c b.c)             files of libmuster
#   muster_server_sources(a.c b.c)      files of libmuster that a device has no use for
#   muster_device_sources(a.c b.c)      files of libmuster that libmuster-device has too: C11, freestanding
#   muster_freestanding_sources(a.c)    files of libmuster-device alone: what it has in place of an operating system
#   muster_test(NAME a_test.c [...])    a cmocka program, linked with libmuster, run by ctest
#   muster_fuzz(NAME fuzz_a.c)          a libFuzzer target, built by the fuzz preset only

# What every file is compiled with. Floating-point contraction is off so that a fused multiply-add happens where the
# source says so and nowhere else: the same bits on every processor depend on it.
add_library(muster_flags INTERFACE)
target_compile_options(muster_flags INTERFACE
  -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wvla -Wundef
  -Wpointer-arith -Wcast-qual -Wwrite-strings -Wformat=2 -Wimplicit-fallthrough
  -fno-math-errno -ffp-contract=off)
# newlib's uint32_t is a long, as large as an int there. The sentences are checked where the two are one type.
if(CMAKE_SYSTEM_NAME STREQUAL Generic)
  target_compile_options(muster_flags INTERFACE -Wno-format)
endif()
target_compile_definitions(muster_flags INTERFACE _POSIX_C_SOURCE=200809L _DEFAULT_SOURCE)
target_include_directories(muster_flags INTERFACE
  ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src ${PROJECT_BINARY_DIR}/include)
if(MUSTER_SANITIZE)
  target_compile_options(muster_flags INTERFACE -fsanitize=${MUSTER_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(muster_flags INTERFACE -fsanitize=${MUSTER_SANITIZE})
endif()
if(MUSTER_FUZZ)
  target_compile_options(muster_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

configure_file(${PROJECT_SOURCE_DIR}/cmake/version.h.in ${PROJECT_BINARY_DIR}/include/muster/version.h @ONLY)

# libmuster-device: freestanding, but the functions of the C library that it uses mean what they always do (fmaf is an instruction). Each function
# is a section, so that the linker leaves out what a program does not use. Some compilers (Ubuntu's) put checks into memcpy by themselves, which call a C library.
add_library(muster_device_flags INTERFACE)
target_link_libraries(muster_device_flags INTERFACE muster_flags)
target_compile_definitions(muster_device_flags INTERFACE MUSTER_FREESTANDING MUSTER_BUILDING)
target_compile_options(muster_device_flags INTERFACE -ffreestanding -fbuiltin -U_FORTIFY_SOURCE -ffunction-sections -fdata-sections)

if(NOT MUSTER_DEVICE_ONLY)
  find_package(Threads REQUIRED)
  find_package(PkgConfig REQUIRED)
  pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-0.1)
  pkg_check_modules(CJSON REQUIRED IMPORTED_TARGET libcjson)
  pkg_check_modules(SODIUM REQUIRED IMPORTED_TARGET libsodium)
  pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib)
  pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET libzstd)
  pkg_check_modules(LZMA REQUIRED IMPORTED_TARGET liblzma)
  pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl)
  pkg_check_modules(PROTOBUF_C REQUIRED IMPORTED_TARGET libprotobuf-c)
  find_program(PROTOC_C protoc-c REQUIRED)

  add_library(muster_objects OBJECT)
  target_link_libraries(muster_objects PRIVATE muster_flags)
  set(MUSTER_LIBRARIES Threads::Threads m PkgConfig::YAML PkgConfig::CJSON PkgConfig::SODIUM PkgConfig::ZLIB
      PkgConfig::ZSTD PkgConfig::LZMA PkgConfig::CURL PkgConfig::PROTOBUF_C)
  if(MUSTER_AGENT_ONLY)
    list(APPEND MUSTER_LIBRARIES ${CURL_STATIC_LDFLAGS}) # what libcurl stands on
  else()
    pkg_check_modules(MICROHTTPD REQUIRED IMPORTED_TARGET libmicrohttpd)
    pkg_check_modules(GNUTLS REQUIRED IMPORTED_TARGET gnutls)
    pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3)
    list(APPEND MUSTER_LIBRARIES PkgConfig::MICROHTTPD PkgConfig::GNUTLS PkgConfig::SQLITE)
  endif()
  target_link_libraries(muster_objects PRIVATE ${MUSTER_LIBRARIES})
  target_compile_definitions(muster_objects PRIVATE MUSTER_BUILDING)

  add_library(muster_static STATIC $<TARGET_OBJECTS:muster_objects>)
  set_target_properties(muster_static PROPERTIES OUTPUT_NAME muster)
  target_link_libraries(muster_static PUBLIC ${MUSTER_LIBRARIES})

  add_library(muster_shared SHARED $<TARGET_OBJECTS:muster_objects>)
  set_target_properties(muster_shared PROPERTIES OUTPUT_NAME muster VERSION ${PROJECT_VERSION}
    SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
  target_link_libraries(muster_shared PRIVATE ${MUSTER_LIBRARIES} muster_flags)
endif()

function(muster_sources)
  foreach(file IN LISTS ARGN)
    if(TARGET muster_objects)
      target_sources(muster_objects PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/${file})
    endif()
  endforeach()
endfunction()

function(muster_server_sources)
  if(NOT MUSTER_AGENT_ONLY)
    muster_sources(${ARGN})
  endif()
endfunction()

function(muster_freestanding_sources)
  foreach(file IN LISTS ARGN)
    set_property(GLOBAL APPEND PROPERTY MUSTER_DEVICE_SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/${file})
  endforeach()
endfunction()

function(muster_device_sources)
  muster_sources(${ARGN})
  muster_freestanding_sources(${ARGN})
endfunction()

function(muster_test name)
  if(MUSTER_TESTS)
    pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)
    add_executable(${name} ${ARGN})
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
    target_compile_definitions(${name} PRIVATE MUSTER_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
    target_link_libraries(${name} PRIVATE muster_static muster_flags PkgConfig::CMOCKA)
    add_test(NAME ${name} COMMAND ${name})
  endif()
endfunction()

function(muster_fuzz name)
  if(MUSTER_FUZZ)
    add_executable(${name} ${ARGN})
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz)
    target_compile_options(${name} PRIVATE -fsanitize=fuzzer)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    target_link_libraries(${name} PRIVATE muster_static muster_flags)
  endif()
endfunction()

if(MUSTER_DEVICE_ONLY OR MUSTER_AGENT_ONLY)
  set(MUSTER_TESTS OFF)
endif()
if(MUSTER_TESTS)
  enable_testing()
endif()
