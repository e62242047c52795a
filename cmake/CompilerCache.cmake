# ccache, set up so that two clones of this repository share what they compiled. Each clone has a path of its
# own, and CI's is a new one each time. For a hit the path must appear neither in the command nor in the object.
find_program(CCACHE ccache)
if(NOT CCACHE)
  return()
endif()
# Paths below the root are given to the compiler relative to the build folder, and named in full in its messages.
set(launcher env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 CCACHE_ABSSTDERR=1 ${CCACHE})
set(CMAKE_C_COMPILER_LAUNCHER ${launcher})
set(CMAKE_CXX_COMPILER_LAUNCHER ${launcher})
# Debug information and __FILE__ then name a source file from the root: src/base/file.cc.
file(RELATIVE_PATH root_from_build ${CMAKE_BINARY_DIR} ${CMAKE_SOURCE_DIR})
add_compile_options(-ffile-prefix-map=${CMAKE_BINARY_DIR}=. -ffile-prefix-map=${root_from_build}=)
