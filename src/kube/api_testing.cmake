# An API server in memory, for the tests of whoever asks one.
tranche_add_library(kube_api_testing
  HEADERS testing/fake_api.h testing/object_patch.h
  SOURCES testing/fake_api.cc testing/object_patch.cc
  DEPENDS tranche::base
  TESTS testing/fake_api_test.cc)
