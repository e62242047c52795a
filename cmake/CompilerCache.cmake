# ccache, set up so that two clones of this repository share what they compiled. Each clone has a path of its
# own, and CI's is a new one each time. For a hit the path must appear neither in the command nor in the object.
find_program(CCACHE ccache)
if(CCACHE)
  set(launcher env
    # Paths below here are given to the compiler relative to the build folder, and named as they were in its messages.
    CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 CCACHE_ABSSTDERR=1
    ${CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${launcher})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${launcher})
endif()

# Debug information and __FILE__ name files from the root of the tree. The last option that matches a path
# counts; the relative path is what ccache makes of the absolute one.
file(RELATIVE_PATH root_from_build ${CMAKE_BINARY_DIR} ${CMAKE_SOURCE_DIR})
add_compile_options(-ffile-prefix-map=${CMAKE_SOURCE_DIR}/= -fmacro-prefix-map=${root_from_build}=)
