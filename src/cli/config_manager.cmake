# `config-manager`
tranche_add_library(cli_config_manager
  HEADERS config_manager_command.h
  SOURCES config_manager_command.cc config_manager_flags.cc
  DEPENDS tranche::base tranche_config tranche::agent_config_manager
  PRIVATE tranche::cli_flag_values tranche::kube_api fmt::fmt
  TESTS config_manager_flags_test.cc)
