# gpu-feature-discovery
tranche_add_library(cli_feature_discovery
  HEADERS feature_discovery_command.h
  SOURCES feature_discovery_command.cc
  DEPENDS tranche::base tranche::agent_feature_discovery tranche_config tranche_gpu
  PRIVATE tranche::cli_flag_values fmt::fmt tranche::kube_api)
