# What the agent asks of the API server, and tells it.
tranche_add_library(agent_cluster
  HEADERS cluster_source.h node_events.h testing/cluster_source_fixture.h watched_object.h
  SOURCES cluster_source.cc node_events.cc watched_object.cc
  DEPENDS tranche::base tranche::agent_edges tranche_config
  PRIVATE fmt::fmt
  TESTS cluster_policy_test.cc cluster_source_test.cc node_events_test.cc
  TEST_DEPENDS tranche::agent tranche::kube_api_testing)
target_compile_options(tranche_agent_cluster PRIVATE -Wno-missing-field-initializers)
target_compile_options(agent_cluster_test PRIVATE -Wno-missing-field-initializers)
