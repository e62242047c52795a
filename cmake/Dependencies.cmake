# Everything comes from the distribution's packages (tools/install-packages names them).
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(CLI11 REQUIRED)
find_package(GTest REQUIRED)
find_package(benchmark REQUIRED)
find_package(Protobuf REQUIRED)
find_library(PROTOBUF_LITE_ARCHIVE NAMES libprotobuf-lite.a REQUIRED)
find_package(PkgConfig REQUIRED)
# The archive: the shared library loads GnuTLS, which nothing here uses (src/http/server_no_tls.cc).
find_library(MICROHTTPD_ARCHIVE NAMES libmicrohttpd.a REQUIRED)
# For tests of TLS alone.
find_package(OpenSSL REQUIRED)
# The header alone: the library is loaded at run time.
find_path(CURL_INCLUDE_DIRECTORY curl/curl.h REQUIRED)

include(CompilerCache)
find_program(LLD ld.lld)
if(LLD)
  add_link_options(-fuse-ld=lld)
endif()

# The archive: nghttp2 is small, and is in every start of a program.
find_library(NGHTTP2_ARCHIVE NAMES libnghttp2.a REQUIRED)

# For a test alone, which calls our gRPC from theirs and theirs from ours.
pkg_check_modules(GRPC REQUIRED IMPORTED_TARGET grpc++_unsecure)
