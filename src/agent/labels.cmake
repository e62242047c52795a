# Node labels: what they are, and where they are brought out.
tranche_add_library(agent_labels
  HEADERS label_facts.h label_outlet.h label_outlet_parts.h label_publisher.h labels.h
  SOURCES label_facts.cc label_outlet.cc label_publisher.cc labels.cc
  DEPENDS tranche::base tranche_config tranche_gpu tranche_share
  TESTS label_facts_test.cc labels_test.cc
  TEST_DEPENDS tranche::kube_api_testing tranche::agent)
