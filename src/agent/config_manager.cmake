# config-manager: the link to the config that the node's label names.
tranche_add_library(agent_config_manager
  HEADERS config_manager.h config_manager_link.h config_manager_signal.h
  SOURCES config_manager.cc config_manager_link.cc config_manager_signal.cc
  DEPENDS tranche::base tranche::agent_edges
  TESTS config_manager_test.cc
  TEST_DEPENDS tranche::kube_api_testing)
