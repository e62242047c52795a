# Everything comes from the distribution's packages (tools/install-packages names them).
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(CLI11 REQUIRED)
find_package(GTest REQUIRED)
find_package(benchmark REQUIRED)
find_package(Protobuf REQUIRED)
find_package(PkgConfig REQUIRED)
# The archive: the shared library loads GnuTLS, which nothing here uses (src/http/server_no_tls.cc).
find_library(MICROHTTPD_ARCHIVE NAMES libmicrohttpd.a REQUIRED)
# For tests of TLS alone.
find_package(OpenSSL REQUIRED)
# The header alone: the library is loaded at run time.
find_path(CURL_INCLUDE_DIRECTORY curl/curl.h REQUIRED)
find_program(GRPC_CPP_PLUGIN grpc_cpp_plugin REQUIRED)

include(CompilerCache)
find_program(LLD ld.lld)
if(LLD)
  add_link_options(-fuse-ld=lld)
endif()

# gRPC and protobuf, statically and without TLS (unix sockets only): relocating the 57 shared objects
# of the packaged build costs more start-up time and memory than all of our own code.
pkg_check_modules(GRPC REQUIRED grpc++_unsecure protobuf)
add_library(tranche_grpc INTERFACE)
if(TRANCHE_SHARED_GRPC)
  target_link_libraries(tranche_grpc INTERFACE ${GRPC_LINK_LIBRARIES} Threads::Threads)
  return()
endif()
set(static_libraries)
# The packaged .pc files leave out what gRPC itself is built on.
foreach(name IN LISTS GRPC_STATIC_LIBRARIES ITEMS address_sorting upb cares re2 z)
  find_library(path_${name} NAMES lib${name}.a)
  if(path_${name})
    list(APPEND static_libraries ${path_${name}})
  endif()
endforeach()
list(REMOVE_DUPLICATES static_libraries)
target_link_libraries(tranche_grpc INTERFACE
  -Wl,--start-group ${static_libraries} -Wl,--end-group Threads::Threads ${CMAKE_DL_LIBS} rt)
