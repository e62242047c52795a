# `tranche validate`
tranche_add_library(cli_validate
  HEADERS validate.h manifest.h
  SOURCES validate.cc manifest.cc validate_command.cc
  DEPENDS tranche::base tranche::gpu
  PRIVATE tranche::config tranche::agent tranche::sim fmt::fmt CLI11::CLI11
  TESTS validate_test.cc manifest_test.cc)
# As in agent/edges.cmake.
target_compile_options(cli_validate_test PRIVATE -Wno-missing-field-initializers)
