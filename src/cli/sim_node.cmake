# `tranche sim …`, the node's part
tranche_add_library(cli_sim_node
  HEADERS sim_node.h sim_node_show.h
  SOURCES sim_node.cc sim_node_show.cc
  DEPENDS tranche::base tranche::sim tranche::cli_status
  PRIVATE fmt::fmt CLI11::CLI11)
