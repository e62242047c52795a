# The agent's edges to files and to people: where the config comes from, the last good one, the
# handover between two agents, and its state told outwards.
find_package(ZLIB REQUIRED)
tranche_add_library(agent_edges
  HEADERS config_source.h last_good.h handover.h state.h report.h metrics.h
  SOURCES config_source.cc last_good.cc handover.cc state.cc report.cc metrics.cc
  DEPENDS tranche::base
  PRIVATE fmt::fmt prometheus-cpp::core ${ZLIB_LIBRARIES}
  TESTS config_source_test.cc handover_test.cc last_good_test.cc report_test.cc state_test.cc)
# g++ 12 asks for every field even where designated initializers leave some out on purpose.
target_compile_options(agent_edges_test PRIVATE -Wno-missing-field-initializers)
