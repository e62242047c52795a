# `tranche status`
tranche_add_library(cli_status
  HEADERS status.h table.h
  SOURCES status.cc table.cc
  DEPENDS tranche::base
  PRIVATE fmt::fmt CLI11::CLI11
  TESTS status_test.cc table_test.cc
  TEST_DEPENDS tranche::agent_edges)
# As in agent/edges.cmake.
target_compile_options(cli_status_test PRIVATE -Wno-missing-field-initializers)
