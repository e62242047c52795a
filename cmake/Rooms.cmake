# One helper for every room (folder) of the house, so that each CMakeLists.txt is a short list.

add_library(tranche_options INTERFACE)
target_compile_options(tranche_options INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Wnon-virtual-dtor
  # A designated initializer that leaves a member at its default says so on purpose.
  -Wno-missing-field-initializers
  # g++ 12 sees overlaps in std::string's own operator+ (https://gcc.gnu.org/PR105651).
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict> -ffunction-sections -fdata-sections)
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  target_compile_options(tranche_options INTERFACE -Wthread-safety)
endif()
target_link_options(tranche_options INTERFACE -Wl,--gc-sections)

# tranche_add_library(name HEADERS … SOURCES … DEPENDS … PRIVATE … TESTS … TEST_DEPENDS …)
# Makes tranche_<name> (alias tranche::<name>) and, from TESTS, one program <name>_test of label "unit".
# Paths are relative to the room; headers are checked to be self-contained.
function(tranche_add_library name)
  cmake_parse_arguments(ROOM "" "" "HEADERS;SOURCES;DEPENDS;PRIVATE;TESTS;TEST_DEPENDS" ${ARGN})
  add_library(tranche_${name} STATIC)
  add_library(tranche::${name} ALIAS tranche_${name})
  # Includes read "room/header.h" from src/, and "sim/part/header.h" from the top.
  if(CMAKE_CURRENT_SOURCE_DIR MATCHES "^${CMAKE_SOURCE_DIR}/src/")
    set(base_directory ${CMAKE_SOURCE_DIR}/src)
  else()
    set(base_directory ${CMAKE_SOURCE_DIR})
  endif()
  target_sources(tranche_${name}
    PRIVATE ${ROOM_SOURCES}
    PUBLIC FILE_SET HEADERS BASE_DIRS ${base_directory} FILES ${ROOM_HEADERS})
  target_include_directories(tranche_${name} PUBLIC ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR})
  target_link_libraries(tranche_${name}
    PUBLIC ${ROOM_DEPENDS}
    PRIVATE tranche_options ${ROOM_PRIVATE})
  if(ROOM_TESTS)
    tranche_add_test(${name}_test SOURCES ${ROOM_TESTS} DEPENDS tranche::${name} ${ROOM_TEST_DEPENDS})
  endif()
endfunction()

# tranche_add_test(name [STEPPED] SOURCES … DEPENDS …): a GoogleTest program of label "unit". STEPPED
# ones go through programs one instruction after the other, of which sanitizers make a hundred times
# as many: they get the label "stepped" too, and are not run with sanitizers.
function(tranche_add_test name)
  cmake_parse_arguments(TEST "STEPPED" "" "SOURCES;DEPENDS" ${ARGN})
  add_executable(${name} ${TEST_SOURCES})
  # Apart from bin/, which holds what is shipped.
  set_target_properties(${name} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE
    tranche_options ${TEST_DEPENDS} tranche::base_places GTest::gmock GTest::gtest_main)
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS "unit$<$<BOOL:${TEST_STEPPED}>:;stepped>")
  set_property(GLOBAL APPEND PROPERTY TRANCHE_UNIT_TESTS ${name})
endfunction()
