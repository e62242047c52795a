# `tranche sim …`, the kubelet's part
tranche_add_library(cli_sim_kubelet
  HEADERS sim_kubelet.h
  SOURCES sim_kubelet.cc sim_kubelet_serve.cc
  DEPENDS tranche::base
  PRIVATE tranche::sim_kubelet tranche::kube tranche::cli_status CLI11::CLI11
  TESTS sim_kubelet_test.cc
  TEST_DEPENDS tranche::sim_kubelet CLI11::CLI11)
