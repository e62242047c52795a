# Node labels: what they are, and where they are brought out.
tranche_add_library(agent_labels
  HEADERS label_choice.h label_facts.h label_outlet.h label_outlet_parts.h label_publisher.h labels.h
  SOURCES label_choice.cc label_facts.cc label_outlet.cc label_outlet_api.cc label_publisher.cc labels.cc
  DEPENDS tranche::base tranche_config tranche_gpu tranche_share
  PRIVATE tranche::kube_api
  TESTS label_facts_test.cc label_outlet_test.cc labels_test.cc
  TEST_DEPENDS tranche::kube_api_testing tranche::agent)

# The program gpu-feature-discovery.
tranche_add_library(agent_feature_discovery
  HEADERS feature_discovery.h
  SOURCES feature_discovery.cc
  DEPENDS tranche::base tranche::agent tranche::agent_labels tranche_gpu
  TESTS feature_discovery_test.cc)
