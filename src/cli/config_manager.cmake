# `config-manager`
tranche_add_library(cli_config_manager
  HEADERS config_manager_command.h
  SOURCES config_manager_flags.cc
  DEPENDS tranche::base tranche_config tranche::agent_config_manager
  PRIVATE fmt::fmt
  TESTS config_manager_flags_test.cc)
target_compile_definitions(tranche_cli_config_manager PRIVATE TRANCHE_VERSION="${PROJECT_VERSION}")
if(TARGET tranche_kube_api)
  target_sources(tranche_cli_config_manager PRIVATE config_manager_command.cc)
  target_link_libraries(tranche_cli_config_manager PRIVATE tranche::kube_api)
endif()
