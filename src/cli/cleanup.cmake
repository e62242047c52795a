# `tranche cleanup`, and what only says that it is not there: `mps-control-daemon`
tranche_add_library(cli_cleanup
  HEADERS cleanup.h mps_command.h
  SOURCES cleanup.cc cleanup_command.cc mps_command.cc
  DEPENDS tranche::base tranche::kube
  PRIVATE CLI11::CLI11
  TESTS cleanup_test.cc mps_command_test.cc
  TEST_DEPENDS tranche::agent)
target_compile_definitions(tranche_cli_cleanup PRIVATE TRANCHE_VERSION="${PROJECT_VERSION}")
