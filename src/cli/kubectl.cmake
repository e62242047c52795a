# `kubectl tranche …`: the program, what it asks and what it shows.
find_package(yaml-cpp REQUIRED)
tranche_add_library(cli_kubectl
  HEADERS json_read.h kubectl_cluster.h kubectl_command.h kubectl_complete.h kubectl_facts.h
          kubectl_profile.h kubectl_status.h kubectl_testing.h kubectl_yaml.h
  SOURCES kubectl_cluster.cc kubectl_command.cc kubectl_complete.cc kubectl_facts.cc
          kubectl_profile.cc kubectl_show.cc kubectl_status.cc kubectl_yaml.cc
  DEPENDS tranche::base tranche_gpu
  PRIVATE tranche::cli_status tranche_cli_validate tranche_config tranche::kube_api CLI11::CLI11
          fmt::fmt yaml-cpp)
target_compile_definitions(tranche_cli_kubectl PRIVATE TRANCHE_VERSION="${PROJECT_VERSION}")
tranche_add_test(cli_kubectl_test
  SOURCES kubectl_complete_test.cc kubectl_facts_test.cc kubectl_profile_test.cc
          kubectl_status_test.cc kubectl_yaml_test.cc
  DEPENDS tranche::cli_kubectl tranche::kube_api_testing tranche::kube_api yaml-cpp)
